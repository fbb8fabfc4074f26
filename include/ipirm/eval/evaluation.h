// An evaluation of a network: named scores of each known factor.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "ipirm/core/named_value.h"
#include "ipirm/model/model.h"

namespace ipirm::eval {

// What an evaluation found out about one known factor.
struct FactorScores {
  std::string factor;
  // The factor is the class ("label", "digit"): the one that people quote.
  bool is_class = false;
  core::NamedValues scores;
};

class Evaluation {
 public:
  virtual ~Evaluation() = default;
  // What its results are called: "knn".
  virtual std::string name() const = 0;
  // The scores of each factor, the class first; nothing once core::interrupted(), which ends the
  // work early. The network's mode is restored afterwards.
  virtual std::optional<std::vector<FactorScores>> run(model::Model& model) = 0;
};

}  // namespace ipirm::eval
