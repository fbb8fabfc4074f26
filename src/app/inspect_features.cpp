// Embeds the images that ipirm-inspect shows, and puts them into pictures.
#include "app/inspect_features.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "app/architecture.h"
#include "app/linear_predictions.h"
#include "app/weights.h"
#include "ipirm/core/error.h"
#include "ipirm/data/subset.h"
#include "ipirm/eval/feature_bank.h"
#include "ipirm/eval/knn.h"
#include "ipirm/inspect/files.h"

namespace ipirm::app {
namespace fs = std::filesystem;
namespace {

using core::cat;
using inspect::grouped;

// Of the images of a part that are embedded without being asked for: minutes of a ResNet-50 on two
// cores.
constexpr int64_t kMostPixels = 4'000'000;
constexpr int kMostConfused = 1000;  // values of a factor whose confusion is a picture

// A network with what it takes to embed images.
struct Embedder {
  model::Model model;
  eval::RunOptions options;

  // Of length 1, (N, F) on the device.
  torch::Tensor operator()(const data::ImageSet& set, const std::string& label) {
    const auto features = eval::embed_test_views(model, set, options, label);
    if (!features.defined()) throw Interrupted();
    return features;
  }
};

Embedder open_network(const config::InspectConfig& config, const RunFolder& run,
                      const fs::path& network, torch::Device device) {
  const auto weights = read_weights(network, "", checkpoint::RunState::kTakeWeights);
  const auto precision = config.precision.value_or(run.config.precision);
  return {make_model(infer_architecture(weights, network), weights, network, device),
          {device, precision == model::Precision::kBf16, data::for_device(config.loader, device),
           config.batch_size, run.config.augment.crop_size}};
}

data::Subset part_of(const std::shared_ptr<const data::ImageSet>& set, std::optional<int> asked) {
  std::vector<uint8_t> scratch;
  const auto first = set->image(0, scratch);
  const int64_t affordable = kMostPixels / (int64_t{first.height} * first.width);
  return data::spread_subset(set, asked ? *asked : std::max<int64_t>(affordable, 2));
}

// The labelled images that vote, and the test images.
struct Embedded {
  data::Subset labelled, test;
  torch::Tensor bank, queries;  // (N, F), (Q, F)
  std::string basis;            // which images they are, in words
};

// "10,000 of 50,000"; "360" of as many.
std::string part_in_words(int64_t part, int64_t whole) {
  return part == whole ? grouped(whole) : grouped(part) + " of " + grouped(whole);
}

Embedded embed_parts(const config::InspectConfig& config, const data::DataSets& sets,
                     const fs::path& network, Embedder& embed) {
  Embedded e{part_of(sets.labelled, config.bank), part_of(sets.test, config.images), {}, {}, {}};
  e.bank = embed(e.labelled, "labelled images");
  e.queries = embed(e.test, "test images");
  e.basis = cat("by ", part_in_words(e.labelled.size(), sets.labelled->size()),
                " labelled images, on ", part_in_words(e.test.size(), sets.test->size()),
                " test images, network ", network.filename().string());
  return e;
}

std::vector<int64_t> whole_indices(const data::Subset& set) {
  std::vector<int64_t> result;
  for (int64_t i = 0; i < set.size(); ++i) result.push_back(set.whole_index(i));
  return result;
}

void show_neighbours(const config::InspectConfig& config, const Embedded& e,
                     inspect::Report& report) {
  inspect::NamedImages queries{&e.test, {}, {}}, bank{&e.labelled, {}, whole_indices(e.labelled)};
  const int64_t shown = std::min(config.queries, e.test.size());
  for (int64_t q = 0; q < shown; ++q) {
    queries.index.push_back(q * e.test.size() / shown);
    queries.whole_index.push_back(e.test.whole_index(queries.index.back()));
  }
  const auto rows = torch::tensor(queries.index, torch::kInt64).to(e.queries.device());
  const auto found = inspect::nearest(e.queries.index_select(0, rows), e.bank, config.neighbours);
  report.neighbours = inspect::write_neighbours(config.out, queries, bank, found);
}

// part: what the images are called, "test" or "training".
void show_map(const config::InspectConfig& config, const data::Subset& set,
              const torch::Tensor& features, const std::string& part, inspect::Report& report) {
  const auto map = inspect::principal_components(features, 2);
  auto factors = telling_factors(set);
  if (factors.empty())  // all dots are grey
    factors.push_back({"", 0, std::vector<int64_t>(static_cast<size_t>(set.size()), -1)});
  report.maps = inspect::write_map(config.out, map, factors, part, whole_indices(set));
  report.map_share = map.share[0] + map.share[1];
  report.mapped = cat(grouped(set.size()), " ", part, " images");
}

// The kNN's confusion of each factor that both parts know.
void add_knn(const RunFolder& run, const Embedded& e, inspect::Report& report) {
  for (size_t f = 0; f < e.test.factors().size(); ++f) {
    const auto& factor = e.test.factors()[f];
    const auto known = torch::tensor(e.labelled.factors()[f].values, torch::kInt64);
    const auto labels = torch::tensor(factor.values, torch::kInt64);
    const auto rows = known.ge(0).nonzero().squeeze(1);
    if (rows.numel() == 0 || factor.num_values < 2) continue;
    if (factor.num_values > kMostConfused) {
      report.hints.push_back(cat(factor.name, " has ", grouped(factor.num_values),
                                 " values: confusions of more than ", grouped(kMostConfused),
                                 " are not shown."));
      continue;
    }
    const auto device = e.bank.device();
    const auto scores =
        eval::knn_scores(e.queries, e.bank.index_select(0, rows.to(device)),
                         known.index_select(0, rows).to(device), factor.num_values, run.config.knn);
    report.confusions.push_back(
        {"kNN", e.basis, factor,
         inspect::confusion_of(scores.argmax(1), labels, factor.num_values)});
  }
}

void show_confusions(const config::InspectConfig& config, const RunFolder& run, const Embedded& e,
                     std::vector<inspect::ReportConfusion> of_head, inspect::Report& report) {
  add_knn(run, e, report);
  if (of_head.empty())
    report.hints.push_back("ipirm-linear --predict adds what the linear head takes for what.");
  for (auto& confusion : of_head) report.confusions.push_back(std::move(confusion));
  inspect::write_confusions(config.out, report.confusions);
}

}  // namespace

std::vector<data::Factor> telling_factors(const data::ImageSet& set) {
  std::vector<data::Factor> telling;
  for (const auto& factor : set.factors()) {
    if (factor.num_values >= 2) telling.push_back(factor);
  }
  return telling;
}

void show_features(const config::InspectConfig& config, const RunFolder& run,
                   const data::DataSets& sets, const fs::path& network, torch::Device device,
                   inspect::Report& report) {
  report.network = network.string();
  auto embed = open_network(config, run, network, device);
  if (!report.no_accuracy.empty()) {
    const auto set = part_of(sets.test ? sets.test : sets.train, config.images);
    const std::string part = sets.test ? "test" : "training";
    return show_map(config, set, embed(set, part + " images"), part, report);
  }
  // Before the long work: its file may be refused.
  auto of_head = head_confusions(run.linear_path / "predictions.csv", *sets.test, run.linear_model);
  const auto embedded = embed_parts(config, sets, network, embed);
  show_neighbours(config, embedded, report);
  show_map(config, embedded.test, embedded.queries, "test", report);
  show_confusions(config, run, embedded, std::move(of_head), report);
}

}  // namespace ipirm::app
