// The table of ipirm-linear's settings, what they imply and which of them contradict.
#include "ipirm/config/linear_config.h"

#include <filesystem>

#include "config/command_line.h"
#include "config/field.h"
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

std::vector<Field> fields_of(LinearConfig& c) {
  std::vector<Field> fields;
  std::string group = "Model";
  append(fields,
         {
             {"model_path", group, "FILE", "the .pt file whose encoder is evaluated (required)",
              &c.model_path},
             kind_field("arch", group, "the encoder (default: read off the file)", &c.arch),
             {"width", group, "N", "channels of the first stage; default: read off the file",
              &c.width, between(16, 1024)},
         });
  add_data_fields(fields, c.data, c.loader);
  fields.push_back(check_data_field(c.check_data));
  add_augment_fields(fields, c.augment);
  group = "Linear evaluation";
  append(
      fields,
      {
          {"epochs", group, "N", "passes over the labelled training set", &c.linear.epochs,
           count_from(1)},
          {"batch_size", group, "N", "images in a step", &c.linear.batch_size, count_from(1)},
          {"lr", group, "X", "learning rate of Adam", &c.linear.lr, above(0)},
          {"weight_decay", group, "X", "L2 penalty of Adam", &c.linear.weight_decay, at_least(0)},
          kind_field("bn", group, "the encoder's BatchNorm: batch statistics, or frozen",
                     &c.linear.bn),
          {"precision",
           group,
           "fp32|bf16",
           "of the network's arithmetic",
           &c.precision,
           {},
           precision_choices()},
          {"seed", group, "N", "of every random draw", &c.linear.seed, at_least(0)},
      });
  group = "Results";
  append(
      fields,
      {
          {"txt", group, "", "write result.txt, a line an epoch, and the state after it", &c.txt},
          {"name", group, "NAME", "folder of the results (default: the one that holds the model)",
           &c.name},
          {"downstream_root", group, "DIR", "results go to DIR/DATASET/NAME", &c.downstream_root},
          {.name = "overwrite",
           .group = group,
           .label = "",
           .help = "replace the results that the folder holds",
           .target = &c.overwrite,
           .command_line_only = true},
          {.name = "resume",
           .group = group,
           .label = "",
           .help = "go on after the last whole epoch that the folder holds, or start "
                   "where it holds none; implies --txt",
           .target = &c.resume,
           .command_line_only = true},
      });
  add_run_fields(fields, c.device, c.log_level);
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
