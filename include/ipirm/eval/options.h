// Settings of the evaluations (METHOD 7).
#pragma once

#include <cstdint>
#include <vector>

#include "ipirm/core/names.h"

namespace ipirm::eval {

struct KnnOptions {
  int64_t k = 200;           // neighbours, >= 1, capped at the bank's size
  double temperature = 0.5;  // > 0
};

// What is evaluated every few epochs of training.
enum class EvaluationKind {
  kKnn,     // the weighted kNN vote
  kMetrics  // that, and the metrics of known factors
};

// Which of the network's outputs are an image's features (METHOD 3).
enum class FeatureKind {
  kH,            // the encoder's output
  kHNormalized,  // h/|h|: what the kNN sees
  kZ             // g(h)/|g(h)|: what the losses and the search see
};

// What the frozen encoder's BatchNorm does during training.
enum class BatchNormMode {
  kTrain,  // batch statistics, and its running ones drift: the reference's protocol
  kEval    // frozen too
};

// How the classifiers of a linear evaluation are found.
enum class LinearSolver {
  kAdam,  // steps on batches: the reference's protocol
  kLbfgs  // the minimum itself, on features that are computed once
};

struct LinearOptions {
  int64_t epochs = 100;      // >= 1
  int64_t batch_size = 512;  // images, >= 1; the last batch is kept
  // Each learning rate with each weight decay is a head of its own; all are trained on the same
  // batches. Of several heads the one counts that is best on a tenth of the training images, which
  // is held out (METHOD 7).
  std::vector<double> lr = {1e-3};            // Adam's; one alone with kLbfgs, and without effect
  std::vector<double> weight_decay = {1e-6};  // L2, in the gradient; kLbfgs: of weights alone
  BatchNormMode bn = BatchNormMode::kTrain;
  uint64_t seed = 1234;
  // Training images are embedded once: their test views, with frozen BatchNorm, without a graph.
  bool cache = false;
  LinearSolver solver = LinearSolver::kAdam;  // kLbfgs: only with cache; one epoch
  double label_share = 1;                     // of each class's training images, (0, 1]

  int64_t num_heads() const { return static_cast<int64_t>(lr.size() * weight_decay.size()); }
  // Of head 0..num_heads()-1.
  double lr_of(int64_t head) const { return lr.at(static_cast<size_t>(head) % lr.size()); }
  double weight_decay_of(int64_t head) const {
    return weight_decay.at(static_cast<size_t>(head) / lr.size());
  }
};

}  // namespace ipirm::eval

template <>
struct ipirm::core::NamesOf<ipirm::eval::EvaluationKind> {
  static constexpr Named<ipirm::eval::EvaluationKind> kNames[] = {
      {ipirm::eval::EvaluationKind::kKnn, "knn"},
      {ipirm::eval::EvaluationKind::kMetrics, "metrics"}};
};

template <>
struct ipirm::core::NamesOf<ipirm::eval::FeatureKind> {
  static constexpr Named<ipirm::eval::FeatureKind> kNames[] = {
      {ipirm::eval::FeatureKind::kH, "h"},
      {ipirm::eval::FeatureKind::kHNormalized, "h_normalized"},
      {ipirm::eval::FeatureKind::kZ, "z"}};
};

template <>
struct ipirm::core::NamesOf<ipirm::eval::BatchNormMode> {
  static constexpr Named<ipirm::eval::BatchNormMode> kNames[] = {
      {ipirm::eval::BatchNormMode::kTrain, "train"}, {ipirm::eval::BatchNormMode::kEval, "eval"}};
};

template <>
struct ipirm::core::NamesOf<ipirm::eval::LinearSolver> {
  static constexpr Named<ipirm::eval::LinearSolver> kNames[] = {
      {ipirm::eval::LinearSolver::kAdam, "adam"}, {ipirm::eval::LinearSolver::kLbfgs, "lbfgs"}};
};
