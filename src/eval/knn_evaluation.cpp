// Embeds memory and queries, and lets the memory vote on each factor.
#include "ipirm/eval/knn_evaluation.h"

#include "eval/ranking.h"
#include "ipirm/core/interrupt.h"
#include "ipirm/core/to_device.h"
#include "ipirm/dist/share.h"
#include "ipirm/eval/knn.h"

namespace ipirm::eval {
namespace {

class KnnEvaluation : public Evaluation {
 public:
  KnnEvaluation(std::shared_ptr<const data::ImageSet> labelled,
                std::shared_ptr<const data::ImageSet> test, const KnnOptions& options,
                const RunOptions& run)
      : labelled_(std::move(labelled)), test_(std::move(test)), options_(options), run_(run) {}

  std::string name() const override { return "knn"; }

  std::optional<std::vector<FactorScores>> run(model::Model& model) override {
    torch::NoGradGuard no_grad;
    auto& group = *run_.group;
    const auto bank = embed_whole_set(model, *labelled_, run_, "kNN memory");
    const auto queries =
        bank.defined() ? embed_test_views(model, *test_, run_, "kNN queries") : bank;
    if (!queries.defined() || (group.is_alone() && core::interrupted())) return std::nullopt;
    const dist::Shares shares(test_->size(), group);
    const auto& factors = labelled_->factors();
    std::vector<FactorScores> all;
    for (size_t f = 0; f < factors.size(); ++f) {
      const auto scores =
          knn_scores(queries, bank, values(*labelled_, f), factors[f].num_values, options_);
      const auto correct = count_correct(scores, shares.own(values(*test_, f)));
      group.sum(correct);
      const auto [top1, top5] = as_accuracy(correct, shares.total());
      all.push_back({factors[f].name, f == 0, {{"test_acc@1", top1}, {"test_acc@5", top5}}});
    }
    return all;
  }

 private:
  torch::Tensor values(const data::ImageSet& set, size_t factor) const {
    return core::to_device(torch::tensor(set.factors()[factor].values, torch::kInt64), run_.device);
  }

  std::shared_ptr<const data::ImageSet> labelled_, test_;
  KnnOptions options_;
  RunOptions run_;
};

}  // namespace

std::unique_ptr<Evaluation> make_knn_evaluation(std::shared_ptr<const data::ImageSet> labelled,
                                                std::shared_ptr<const data::ImageSet> test,
                                                const KnnOptions& options, const RunOptions& run) {
  return std::make_unique<KnnEvaluation>(std::move(labelled), std::move(test), options, run);
}

}  // namespace ipirm::eval
