// The table of ipirm-features' settings.
#include "ipirm/config/features_config.h"

#include "config/command_line.h"
#include "config/group.h"
#include "config/shared_fields.h"
#include "ipirm/core/error.h"

namespace ipirm::config {
namespace {

constexpr Program kProgram = {
    "ipirm-features",
    "Writes the features of a data set's images by a saved network, one row an image in the set's\n"
    "order, float32 .npy, and what is known about the images into a .csv file beside it.\n"
    "\n"
    "Images are seen as the kNN and the linear evaluation see test images: without augmentation.\n"
    "The network may come from a model_E.pt or state.pt of a run, from the reference's .pth "
    "files,\n"
    "or be a ResNet under torchvision's names (of small images, see ipirm-export; it has no "
    "projection\n"
    "head and thus no z).",
    "Examples:\n"
    "  ipirm-features --model_path results/ColoredDigits/ipirm/model_30.pt --dataset ColoredDigits "
    "\\\n"
    "      --split test --out test.npy\n"
    "  python3 -c \"import numpy as np; print(np.load('test.npy').shape)\"    # labels: test.csv",
};

std::vector<Field> fields_of(FeaturesConfig& c) {
  std::vector<Field> fields;
  Group results(fields, "Features and results");
  results.text("model_path", "FILE", &c.model_path, "the file whose network is used (required)");
  results.kind("feature", &c.feature,
               "the encoder's output h, h/|h|, or the projection z of length 1");
  results.kind("split", &c.split,
               "the images: all that training sees, those of them with labels, or the test images");
  results.text("out", "FILE.npy", &c.out, "the features; labels go to FILE.csv (required)");
  results.flag_of_call("overwrite", &c.overwrite, "replace the files that --out names");
  add_data_fields(fields, c.data, c.loader);
  Group network(fields, "Network");
  network.number("crop_size", &c.crop_size, between(8, 1024),
                 "side of a view where images are stored whole (--image_size 0)");
  network.number("batch_size", &c.batch_size, count_from(1),
                 "images in a forward pass; on the CPU fewer where they are larger than 32x32");
  network.kind("precision", &c.precision, "of the network's arithmetic");
  add_dist_timeout(fields, c.dist_timeout);
  add_run_fields(fields, c.device, c.deterministic, c.log_level);
  return fields;
}

void check(const FeaturesConfig& c) {
  if (c.model_path.empty())
    throw core::UserError("--model_path is missing: name the file whose network is used");
  if (c.out.empty()) throw core::UserError("--out is missing: name the .npy file to write");
  if (!c.out.ends_with(".npy") || c.out.ends_with("/.npy") || c.out == ".npy") {
    throw core::UserError(core::cat("--out: found ", in_quotes(c.out),
                                    ", expected a file that ends in .npy; the labels go to the "
                                    "same name with .csv"));
  }
  if (c.data.root.empty())
    throw core::UserError("--data_root is empty: name a folder, '.' for the current one");
}

}  // namespace

std::optional<FeaturesConfig> parse_features(int argc, const char* const* argv) {
  FeaturesConfig config;
  if (!read_command_line(kProgram, fields_of(config), argc, argv)) return std::nullopt;
  check(config);
  return config;
}

std::string to_yaml(const FeaturesConfig& config) {
  FeaturesConfig copy = config;  // fields point to values that can be written
  return dump_yaml(kProgram.name, fields_of(copy));
}

}  // namespace ipirm::config
