// A scope in which a network is in training or in evaluation mode.
#pragma once

#include <torch/nn/module.h>

namespace ipirm::model {

enum class Mode {
  kTraining,   // BatchNorm takes the batch's statistics, and keeps running ones
  kEvaluation  // it uses those
};

// Puts a module and its submodules into a mode, and back into the one that the module was in when
// the scope ends, by an exception too. The module must outlive the guard.
class KeepMode {
 public:
  KeepMode(torch::nn::Module& module, Mode mode)
      : module_(module), was_training_(module.is_training()) {
    module_.train(mode == Mode::kTraining);
  }
  ~KeepMode() { module_.train(was_training_); }
  KeepMode(const KeepMode&) = delete;
  KeepMode& operator=(const KeepMode&) = delete;

 private:
  torch::nn::Module& module_;
  bool was_training_;
};

}  // namespace ipirm::model
