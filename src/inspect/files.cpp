// Puts what there is to see into JSON, and pictures beside it.
#include "ipirm/inspect/files.h"

#include <nlohmann/json.hpp>
#include <regex>
#include <system_error>
#include <utility>

#include "ipirm/core/error.h"
#include "ipirm/core/files.h"

namespace ipirm::inspect {
namespace fs = std::filesystem;
namespace {

using core::cat;
using nlohmann::ordered_json;

void write_json(const fs::path& path, const ordered_json& json) {
  // File names need not be UTF-8.
  core::write_atomically(path,
                         json.dump(1, ' ', false, ordered_json::error_handler_t::replace) + "\n");
}

// Writes the PNG file, and returns what a page holds of it.
PageImage write_picture(const fs::path& path, const Picture& picture) {
  auto bytes = picture.png();
  core::write_atomically(
      path, std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
  return page_image(picture, std::move(bytes));
}

// A factor's name in a file's name.
std::string for_file(const std::string& name) {
  std::string result;
  for (const char c : name) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    result += plain ? c : '_';
  }
  return result;
}

ordered_json value_names(const data::Factor& factor) {
  auto names = ordered_json::array();
  for (int64_t v = 0; v < factor.num_values; ++v) names.push_back(value_name(factor, v));
  return names;
}

// What is known about image i: its place, its name where it has one, its factors.
ordered_json described(const data::ImageSet& set, int64_t i, int64_t whole_index) {
  ordered_json image = {{"index", whole_index}};
  if (const auto name = set.name(i); !name.empty()) image["path"] = name;
  for (const auto& factor : set.factors())
    image["factors"][factor.name] = value_name(factor, factor.values[static_cast<size_t>(i)]);
  return image;
}

ordered_json images_of(const std::vector<Placed>& images, const data::ImageSet& set) {
  auto list = ordered_json::array();
  for (const auto& placed : images) {
    auto image = described(set, placed.index, placed.index);
    image["certainty"] = placed.certainty;
    list.push_back(std::move(image));
  }
  return list;
}

std::string sheet_name(int64_t epoch, size_t environment) {
  return cat("partition_", epoch, "_environment_", environment, ".png");
}

bool is_ours(const std::string& name) {
  static const std::regex kOurs(
      R"(partition_\d+(\.json|_environment_\d+\.png)|neighbours\.(json|png)|map_.*\.png|)"
      R"(map\.json|confusion_.*\.png|confusion\.json|summary\.json|report\.html)");
  return std::regex_match(name, kOurs);
}

}  // namespace

void remove_earlier(const fs::path& folder) {
  std::vector<fs::path> found;
  std::error_code error;
  for (auto entry = fs::directory_iterator(folder, error); !error && entry != fs::end(entry);
       entry.increment(error)) {
    if (entry->is_regular_file() && is_ours(entry->path().filename().string()))
      found.push_back(entry->path());
  }
  for (const auto& path : found) {
    if (!error) fs::remove(path, error);
  }
  if (error)
    throw core::WriteError(cat(folder.string(), ": files of an earlier call cannot be removed (",
                               error.message(), ")"));
}

void write_partition(const fs::path& folder, ReportPartition& partition,
                     const std::vector<data::Factor>& factors, const data::ImageSet& set,
                     size_t& room) {
  ordered_json json = {{"epoch", partition.epoch}};
  for (size_t f = 0; f < partition.tables.size(); ++f) {
    const auto& t = partition.tables[f];
    json["factors"][t.share.name] = {{"information", t.share.information},
                                     {"entropy", t.share.entropy},
                                     {"share", t.share.share},
                                     {"values", value_names(factors[f])},
                                     {"counts", t.counts},
                                     {"unknown", t.unknown}};
  }
  json["environments"] = ordered_json::array();
  for (size_t e = 0; e < partition.chosen.size(); ++e) {
    const auto& chosen = partition.chosen[e];
    const auto name = sheet_name(partition.epoch, e);
    auto sheet = write_picture(folder / name, contact_sheet(set, chosen));
    if (sheet.bytes.size() > room) sheet.bytes = {};
    room -= sheet.bytes.size();
    partition.sheets.push_back(std::move(sheet));
    json["environments"].push_back({{"size", chosen.size},
                                    {"sheet", name},
                                    {"most_certain", images_of(chosen.most, set)},
                                    {"least_certain", images_of(chosen.least, set)}});
  }
  write_json(folder / cat("partition_", partition.epoch, ".json"), json);
}

PageImage write_neighbours(const fs::path& folder, const NamedImages& queries,
                           const NamedImages& bank, const Neighbours& neighbours) {
  auto list = ordered_json::array();
  for (size_t q = 0; q < queries.index.size(); ++q) {
    auto query = described(*queries.set, queries.index[q], queries.whole_index[q]);
    for (int64_t i = 0; i < neighbours.index.size(1); ++i) {
      const auto row = neighbours.index[static_cast<int64_t>(q)][i].item<int64_t>();
      auto image = described(*bank.set, row, bank.whole_index[static_cast<size_t>(row)]);
      image["similarity"] = neighbours.similarity[static_cast<int64_t>(q)][i].item<double>();
      query["neighbours"].push_back(std::move(image));
    }
    list.push_back(std::move(query));
  }
  write_json(folder / "neighbours.json", {{"queries", list}});
  return write_picture(folder / "neighbours.png",
                       neighbour_sheet(*queries.set, queries.index, *bank.set, neighbours));
}

std::vector<ReportMap> write_map(const fs::path& folder, const Components& map,
                                 const std::vector<data::Factor>& factors, const std::string& part,
                                 const std::vector<int64_t>& whole_index) {
  ordered_json json = {
      {"part", part}, {"share_of_variance", {map.share[0], map.share[1]}}, {"index", whole_index}};
  const auto points = map.points.contiguous();
  const double* at = points.const_data_ptr<double>();
  json["points"] = ordered_json::array();
  for (int64_t i = 0; i < points.size(0); ++i) json["points"].push_back({at[2 * i], at[2 * i + 1]});
  std::vector<ReportMap> shown;
  for (const auto& factor : factors) {
    const auto name = cat("map_", shown.size(), "_", for_file(factor.name), ".png");
    shown.push_back({factor.name, write_picture(folder / name, map_picture(map, factor))});
    json["pictures"][factor.name] = name;
  }
  write_json(folder / "map.json", json);
  return shown;
}

void write_confusions(const fs::path& folder, std::vector<ReportConfusion>& confusions) {
  auto list = ordered_json::array();
  for (auto& c : confusions) {
    const auto name = cat("confusion_", for_file(c.classifier), "_", list.size(), "_",
                          for_file(c.factor.name), ".png");
    c.picture = write_picture(folder / name, confusion_picture(c.confusion, c.factor));
    list.push_back({{"classifier", c.classifier},
                    {"basis", c.basis},
                    {"factor", c.factor.name},
                    {"values", value_names(c.factor)},
                    {"counts", c.confusion.counts},
                    {"accuracy", c.confusion.overall},
                    {"mean_accuracy", c.confusion.mean},
                    {"picture", name}});
    auto& by_value = list.back()["accuracy_by_value"] = ordered_json::array();
    for (const double accuracy : c.confusion.accuracy)
      by_value.push_back(accuracy < 0 ? ordered_json(nullptr) : ordered_json(accuracy));
  }
  write_json(folder / "confusion.json", list);
}

void write_summary(const fs::path& folder, const Report& report) {
  ordered_json json = {{"result", result_sentence(report)}, {"network", report.network}};
  for (const auto& run : report.runs) {
    ordered_json entry = {{"name", run.name},
                          {"folder", run.folder},
                          {"epoch", run.record.last_epoch},
                          {"epochs", run.epochs}};
    for (const auto& c : run.record.scores)
      entry[c.evaluation][c.factor][c.score] = c.points.back().second;
    json["runs"].push_back(std::move(entry));
  }
  for (const auto& partition : report.partitions)
    json["partitions"].push_back({{"epoch", partition.epoch}, {"separates", separated(partition)}});
  for (const auto* settings : {&report.differing, &report.own}) {
    for (const auto& s : *settings) json["settings"][s.name] = s.values.front();
  }
  write_json(folder / "summary.json", json);
}

}  // namespace ipirm::inspect
