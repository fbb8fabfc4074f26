// Checks of the data that both ipirm-train and ipirm-linear make.
#include "app/data_checks.h"

#include <algorithm>
#include <chrono>
#include <utility>
#include <vector>

#include "ipirm/app/program.h"
#include "ipirm/core/error.h"
#include "ipirm/core/interrupt.h"
#include "ipirm/core/log.h"
#include "ipirm/data/check.h"

namespace ipirm::app {
namespace {

using core::cat;

// The parts that hold images of their own, with what a progress line calls them.
std::vector<std::pair<const data::ImageSet*, std::string>> parts_of(const data::DataSets& sets) {
  std::vector<std::pair<const data::ImageSet*, std::string>> parts = {
      {sets.train.get(), "training"}};
  if (sets.labelled && sets.labelled != sets.train)
    parts.emplace_back(sets.labelled.get(), "labelled");
  if (sets.test) parts.emplace_back(sets.test.get(), "test");
  return parts;
}

// Labels that are known and differ from each other, counted up to 2.
int count_classes(const data::ImageSet& set) {
  const auto& labels = set.factors()[0].values;
  const auto known = [](int64_t label) { return label >= 0; };
  const auto first = std::find_if(labels.begin(), labels.end(), known);
  if (first == labels.end()) return 0;
  return std::any_of(first, labels.end(), [&](int64_t l) { return known(l) && l != *first; }) ? 2
                                                                                              : 1;
}

std::string refusal(const std::string& why) {
  return cat("ipirm-linear has nothing to measure: ", why,
             "; name data with labels and a test split by --dataset and --data_root");
}

}  // namespace

int check_data(data::DataOptions options, int workers, bool needs_labels) {
  options.for_check = true;
  const auto start = std::chrono::steady_clock::now();
  const auto sets = data::open_data_sets(options);
  std::string counts;
  size_t wrong = 0;
  if (const auto why = why_no_accuracy(sets); needs_labels && !why.empty()) {
    core::log_error(refusal(why));
    ++wrong;
  }
  for (const auto& [set, part] : parts_of(sets)) {
    const auto bad = data::find_bad_images(*set, data::CheckDepth::kPixels, workers,
                                           cat("checking the ", part, " images"));
    if (core::interrupted()) return kExitInterrupted;
    for (const auto& image : bad) core::log_error(image.what);
    wrong += bad.size();
    counts += cat(counts.empty() ? "" : ", ", set->size(), " ", part);
  }
  const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
  const auto what =
      cat("--check_data: read ", counts, " images of ", core::name_of(options.dataset), " in ",
          core::human_duration(elapsed.count()), ": ");
  if (wrong > 0) {
    throw core::UserError(
        cat(what, wrong, wrong == 1 ? " fault" : " faults", ", listed above; mend or remove them"));
  }
  core::log_info(what + "all are in order");
  return kExitOk;
}

void check_test_images(const data::DataSets& sets, int workers) {
  if (!sets.test) return;
  const auto bad = data::find_bad_images(*sets.test, data::CheckDepth::kStructure, workers,
                                         "looking at the test images");
  if (bad.empty()) return;
  throw core::UserError(cat(bad[0].what,
                            bad.size() == 1 ? " (the only such test image" : " (one of ",
                            bad.size() == 1 ? "" : cat(bad.size(), " such test images"),
                            "; --check_data lists all that is wrong)"));
}

std::string why_no_accuracy(const data::DataSets& sets) {
  if (!sets.test) return "the data have no test split";
  const int classes = sets.labelled ? count_classes(*sets.labelled) : 0;
  if (classes == 0) return "the training images have no labels";
  if (classes == 1) return "all training images are of one class";
  return "";
}

void require_accuracy(const data::DataSets& sets) {
  const auto why = why_no_accuracy(sets);
  if (!why.empty()) throw core::UserError(refusal(why));
}

}  // namespace ipirm::app
