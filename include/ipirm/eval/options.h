// Settings of the evaluations (METHOD 7).
#pragma once

#include <cstdint>

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

struct LinearOptions {
  int64_t epochs = 100;        // >= 1
  int64_t batch_size = 512;    // images, >= 1; the last batch is kept
  double lr = 1e-3;            // Adam
  double weight_decay = 1e-6;  // L2, in the gradient
  BatchNormMode bn = BatchNormMode::kTrain;
  uint64_t seed = 1234;
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
