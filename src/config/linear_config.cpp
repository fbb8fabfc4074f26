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

constexpr Program kProgram = {
    "ipirm-linear",
    "Trains a linear classifier on the frozen encoder of a saved model and tests it after every "
    "epoch.",
    "Examples:\n"
    "  ipirm-linear --model_path results/STL/ipirm/model_400.pt --dataset STL --data_root /data "
    "--txt\n"
    "  ipirm-linear --model_path results/ColoredDigits/ipirm/model_30.pt --dataset ColoredDigits "
    "\\\n"
    "      --crop_scale_min .4 --hflip 0 --epochs 20\n\n"
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
  group.number("lr", &c.linear.lr, above(0), "learning rate of Adam");
  group.number("weight_decay", &c.linear.weight_decay, at_least(0), "L2 penalty of Adam");
  group.kind("bn", &c.linear.bn, "the encoder's BatchNorm: batch statistics, or frozen");
  group.kind("precision", &c.precision, "of the network's arithmetic");
  group.number("seed", &c.linear.seed, at_least(0), "of every random draw");
}

void add_result_fields(std::vector<Field>& fields, LinearConfig& c) {
  Group group(fields, "Results");
  group.flag("txt", &c.txt, "write result.txt, a line an epoch, and the state after it");
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
  check_name(c.name);
}

}  // namespace

std::optional<LinearConfig> parse_linear(int argc, const char* const* argv) {
  LinearConfig config;
  if (!read_command_line(kProgram, fields_of(config), argc, argv)) return std::nullopt;
  if (config.name.empty()) config.name = name_from(config.model_path);
  if (config.resume) config.txt = true;  // it goes on with files, and keeps some to go on with
  check(config);
  return config;
}

std::string to_yaml(const LinearConfig& config) {
  LinearConfig copy = config;  // fields point to values that can be written
  return dump_yaml(kProgram.name, fields_of(copy));
}

}  // namespace ipirm::config
