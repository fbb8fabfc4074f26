// The table of ipirm-linear's settings, what they imply and which of them contradict.
#include "ipirm/config/linear_config.h"

#include <filesystem>

#include "config/command_line.h"
#include "config/field.h"
#include "config/group.h"
#include "config/shared_fields.h"
#include "ipirm/core/error.h"

namespace ipirm::config {
namespace {

constexpr int64_t kMostHeads = 1024;

constexpr Program kProgram = {
    "ipirm-linear",
    "Trains a linear classifier on the frozen encoder of a saved model and tests it after every "
    "epoch.",
    "Examples:\n"
    "  ipirm-linear --model_path results/STL/ipirm/model_400.pt --dataset STL --data_root /data "
    "--txt\n"
    "  ipirm-linear --model_path results/ColoredDigits/ipirm/model_30.pt --dataset ColoredDigits "
    "\\\n"
    "      --crop_scale_min .4 --hflip 0 --epochs 20\n"
    "  ipirm-linear --model_path model.pt --dataset STL --data_root /data --txt --predict \\\n"
    "      --cache --bn eval --augment none --lr .1,.03,.01,.003,.001 --weight_decay 0,1e-6,1e-4\n"
    "  ipirm-linear --model_path model.pt --dataset STL --data_root /data --label_share .01 \\\n"
    "      --optimizer lbfgs --bn eval --augment none --weight_decay 1e-2,1e-3,1e-4,1e-5\n\n"
    "Of several --lr and --weight_decay each pair is a head of its own, trained on the same\n"
    "batches; a tenth of the training images is held out, and the head of the least loss there "
    "counts.\n\n"
    "Of each image of --dataset Folder only the middle square is kept; --image_size 0 keeps images "
    "whole.",
};

void add_model_fields(std::vector<Field>& fields, LinearConfig& c) {
  Group group(fields, "Model");
  group.text("model_path", "FILE", &c.model_path,
             "the .pt file whose encoder is evaluated (required)");
  group.kind("arch", &c.arch, "the encoder (default: read off the file)");
  group.number("width", &c.width, between(16, 1024),
               "channels of the first stage; default: read off the file");
}

void add_linear_fields(std::vector<Field>& fields, LinearConfig& c) {
  Group group(fields, "Linear evaluation");
  group.number("epochs", &c.linear.epochs, count_from(1), "passes over the labelled training set");
  group.number("batch_size", &c.linear.batch_size, count_from(1), "images in a step");
  group.number("lr", &c.linear.lr, above(0), "learning rate of Adam, or several to choose from");
  group.number("weight_decay", &c.linear.weight_decay, at_least(0),
               "L2 penalty, or several to choose from");
  group.kind("bn", &c.linear.bn, "the encoder's BatchNorm: batch statistics, or frozen");
  group.flag("cache", &c.linear.cache,
             "embed the training images once; needs --bn eval --augment none");
  group.kind("optimizer", &c.linear.solver,
             "steps on batches, or L-BFGS to convergence, one epoch; lbfgs implies --cache");
  group.number("label_share", &c.linear.label_share, {.low = 0, .high = 1, .low_open = true},
               "of each class's training images only this share, one at least");
  group.kind("precision", &c.precision, "of the network's arithmetic");
  group.number("seed", &c.linear.seed, at_least(0), "of every random draw");
}

void add_result_fields(std::vector<Field>& fields, LinearConfig& c) {
  Group group(fields, "Results");
  group.flag("txt", &c.txt,
             "write result.txt, a line an epoch, the state after it, and the classifier "
             "at the end, linear_E.pt");
  group.flag_of_call("predict", &c.predict,
                     "write predictions.csv at the end: of each test image the class that is found "
                     "and its probability; implies --txt");
  group.text("name", "NAME", &c.name,
             "folder of the results (default: the one that holds the model)");
  group.text("downstream_root", "DIR", &c.downstream_root, "results go to DIR/DATASET/NAME");
  group.flag_of_call("overwrite", &c.overwrite, "replace the results that the folder holds");
  group.flag_of_call("resume", &c.resume,
                     "go on after the last whole epoch that the folder holds, or start "
                     "where it holds none; implies --txt");
}

std::vector<Field> fields_of(LinearConfig& c) {
  std::vector<Field> fields;
  add_model_fields(fields, c);
  add_data_fields(fields, c.data, c.loader);
  add_check_data(fields, c.check_data);
  add_augment_fields(fields, c.augment);
  add_linear_fields(fields, c);
  add_result_fields(fields, c);
  add_dist_timeout(fields, c.dist_timeout);
  add_run_fields(fields, c.device, c.deterministic, c.log_level);
  add_quiet(fields, c.quiet);
  return fields;
}

// results/STL/ipirm/model_400.pt was made by the run "ipirm"; a lone model.pt gives "model".
std::string name_from(const std::filesystem::path& model_path) {
  const std::string folder = model_path.parent_path().filename().string();
  return folder.empty() || folder == "." || folder == ".." ? model_path.stem().string() : folder;
}

void check(const LinearConfig& c) {
  if (c.model_path.empty() && !c.check_data)
    throw core::UserError("--model_path is missing: name the .pt file to evaluate");
  if (c.data.root.empty())
    throw core::UserError("--data_root is empty: name a folder, '.' for the current one");
  if (c.downstream_root.empty()) {
    throw core::UserError("--downstream_root is empty: name a folder, '.' for the current one");
  }
  if (c.overwrite && c.resume) {
    throw core::UserError("--overwrite and --resume contradict each other: give one of the two");
  }
  const eval::LinearOptions& linear = c.linear;
  const bool is_lbfgs = linear.solver == eval::LinearSolver::kLbfgs;
  if (linear.cache &&
      (linear.bn != eval::BatchNormMode::kEval || c.augment.recipe != augment::Recipe::kNone)) {
    throw core::UserError(core::cat(
        is_lbfgs ? "--optimizer lbfgs" : "--cache", " embeds each image once, and --bn train and ",
        "--augment simclr give it other features in each epoch: give --bn eval --augment none"));
  }
  if (is_lbfgs && linear.lr.size() > 1) {
    throw core::UserError(
        "--optimizer lbfgs has no learning rate: give several --weight_decay to choose from, and "
        "no --lr");
  }
  if (linear.num_heads() > kMostHeads) {
    throw core::UserError(core::cat("--lr and --weight_decay make ", linear.num_heads(),
                                    " heads of all pairs; expected ", kMostHeads, " at most"));
  }
  check_name(c.name);
}

}  // namespace

std::optional<LinearConfig> parse_linear(int argc, const char* const* argv) {
  LinearConfig config;
  if (!read_command_line(kProgram, fields_of(config), argc, argv)) return std::nullopt;
  if (config.name.empty()) config.name = name_from(config.model_path);
  // It goes on with files, and keeps some to go on with; or writes one among them.
  if (config.resume || config.predict) config.txt = true;
  if (config.linear.solver == eval::LinearSolver::kLbfgs) {
    config.linear.cache = true;
    config.linear.epochs = 1;
  }
  check(config);
  return config;
}

std::string to_yaml(const LinearConfig& config) {
  LinearConfig copy = config;  // fields point to values that can be written
  return dump_yaml(kProgram.name, fields_of(copy));
}

}  // namespace ipirm::config
