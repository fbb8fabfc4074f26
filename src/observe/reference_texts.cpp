// Puts records into the reference's words.
#include "ipirm/observe/reference_texts.h"

#include <cstdio>

#include "ipirm/core/error.h"
#include "ipirm/core/text.h"

namespace ipirm::observe {

std::string step_line(const train::StepRecord& r) {
  char text[200];
  std::snprintf(text, sizeof text,
                "Train Epoch: [%lld/%lld] [%lld/%lld]  Loss: %.4f  LR: %.6f  PW %.4f",
                static_cast<long long>(r.epoch), static_cast<long long>(r.epochs),
                static_cast<long long>(r.seen), static_cast<long long>(r.set_size), r.mean_loss,
                r.lr, r.penalty_weight);
  return text;
}

std::string to_text(const partition::Judgement& judgement) {
  using core::with_digits;
  std::string text = "certainty " + with_digits(judgement.certainty, 3);
  if (judgement.overlap) text += "  overlap " + with_digits(*judgement.overlap, 3);
  for (const auto& factor : judgement.factors) {
    text += core::cat("  ", factor.name, "  ", with_digits(factor.information, 4), " nats (",
                      with_digits(100 * factor.share, 1), " %)");
  }
  return text;
}

void ReferenceTexts::step(const train::StepRecord& record) {
  if (log_ && record.log_due) log_(step_line(record));
}

void ReferenceTexts::maximize_pass(const train::MaximizePassRecord& record) {
  const auto& pass = record.pass;
  if (!log_ || pass.pass != 0) return;
  char text[120];
  std::snprintf(text, sizeof text, "Initial Risk: %.4f  Cont_Risk: %.4f  Inv_Risk: %.4f", pass.risk,
                -pass.contrastive, -pass.invariance);
  log_(text);
}

void ReferenceTexts::maximize(const train::MaximizeRecord& record) {
  if (!log_) return;
  if (record.result.passes > 0) {
    char text[120];
    std::snprintf(text, sizeof text, "Loss not down. Break down training.  Epoch: %lld  Loss: %.4f",
                  static_cast<long long>(record.result.best_pass), record.result.best_risk);
    log_(text);
  }
  std::string groups = "Debug:";
  for (size_t e = 0; e < record.sizes.size(); ++e)
    groups += core::cat("  group", e + 1, " ", record.sizes[e]);
  log_(groups);
  log_(core::cat("Partition: ", record.source, "  ", to_text(record.judgement)));
}

void ReferenceTexts::evaluation(const train::EvaluationRecord& record) {
  if (!results_ || !record.scores.is_class) return;
  core::NamedValues of_the_test;
  for (const auto& score : record.scores.scores)
    if (score.name.starts_with("test_")) of_the_test.push_back(score);
  if (!of_the_test.empty()) results_(core::to_text(of_the_test));
}

}  // namespace ipirm::observe
