// Settings of the maximization step (METHOD 5, 6).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ipirm/core/keyed_random.h"
#include "ipirm/core/names.h"

namespace ipirm::partition {

// The views of a maximization's passes are drawn under one number each, which stands in the place
// of an epoch's: the number of the maximization (the epoch after which it runs) above kPassBits
// bits for the pass.
inline constexpr int kPassBits = 12;
inline constexpr int64_t kMaxPasses = int64_t{1} << kPassBits;
inline constexpr int64_t kMaxMaximization =
    (int64_t{1} << (core::KeyedRandom::kEpochBits - kPassBits)) - 1;

// Which term keeps the environments' sizes apart from degenerate.
struct BalanceOptions {
  bool constrain = false;        // penalise uneven sizes
  bool constrain_relax = false;  // only beyond about 2:1
  bool nonorm = false;           // unnormalised risk, with its own balance term
};

// How much the environments differ.
enum class IrmMode {
  kPenalty,  // v1: their mean penalty
  kVariance  // v2: the unbiased variance of their contrastive terms
};

// The risk of one batch.
struct RiskOptions {
  double temperature = 0.5;      // T, > 0
  double irm_temperature = 0.5;  // T', of the penalty, > 0
  double irm_weight = 1.0;       // weight of the penalty, >= 0
  IrmMode irm_mode = IrmMode::kPenalty;
  BalanceOptions balance;
};

// The search: Adam over the partition logits.
struct MaximizeOptions {
  RiskOptions risk;
  int64_t num_env = 2;   // K, >= 2
  bool offline = false;  // embed once, instead of fresh views each pass
  // Start each maximization from random logits, not from the last partition.
  bool random_init = false;
  int64_t batch_size = 3096;  // samples, >= 2; 0: the whole set in one batch
  int64_t passes = 61;        // at most, 1..4096
  double lr = 0.5;            // Adam, > 0
  // Passes after which lr is multiplied by .2, ascending.
  std::vector<int64_t> milestones = {5, 35};
  // Passes that are always made. They are numbered from 0: the search may stop after a pass of a
  // higher number.
  int64_t stop_after = 50;
  int64_t patience = 5;  // passes without a new best before stopping
  bool shuffle = true;   // a fresh order each pass
  uint64_t seed = 1234;
  bool mixup = false;  // --mixup_max: the first views are mixed (METHOD 6)
  double alpha = 1.0;  // of the mixing coefficients, > 0
};

// Where the partitions of a run come from: the search, or one of the controls beside it.
enum class SourceKind {
  kSearch,  // the maximization
  kRandom,  // drawn anew whenever a search would be due
  kFactor   // something known about the images, cut into the environments
};

struct SourceOptions {
  SourceKind kind = SourceKind::kSearch;
  std::string factor = {};  // its name; of kFactor alone, and never empty there
  bool operator==(const SourceOptions&) const = default;
};

}  // namespace ipirm::partition

template <>
struct ipirm::core::NamesOf<ipirm::partition::SourceKind> {
  static constexpr Named<ipirm::partition::SourceKind> kNames[] = {
      {ipirm::partition::SourceKind::kSearch, "search"},
      {ipirm::partition::SourceKind::kRandom, "random"},
      {ipirm::partition::SourceKind::kFactor, "factor"}};
};

namespace ipirm::partition {

// What a setting of a source may be: for --help and for messages.
inline std::vector<std::string> source_forms() {
  auto forms = core::names_of<SourceKind>();
  forms.back() += ":NAME";
  return forms;
}

// "search", "random" or "factor:NAME" with the factor's name as it is; nothing for other texts.
inline std::optional<SourceOptions> parse_source(std::string_view text) {
  const auto colon = text.find(':');
  const auto kind = core::find_kind<SourceKind>(std::string(text.substr(0, colon)));
  const bool named = colon != std::string_view::npos;
  if (!kind || named != (*kind == SourceKind::kFactor)) return std::nullopt;
  if (!named) return SourceOptions{*kind};
  if (colon + 1 == text.size()) return std::nullopt;
  return SourceOptions{*kind, std::string(text.substr(colon + 1))};
}

// What parse_source() reads back.
inline std::string source_text(const SourceOptions& source) {
  const auto name = core::name_of(source.kind);
  return source.kind == SourceKind::kFactor ? name + ":" + source.factor : name;
}

}  // namespace ipirm::partition

template <>
struct ipirm::core::NamesOf<ipirm::partition::IrmMode> {
  static constexpr Named<ipirm::partition::IrmMode> kNames[] = {
      {ipirm::partition::IrmMode::kPenalty, "v1"}, {ipirm::partition::IrmMode::kVariance, "v2"}};
};
