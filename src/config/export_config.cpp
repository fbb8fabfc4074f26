// The table of ipirm-export's settings.
#include "ipirm/config/export_config.h"

#include "config/command_line.h"
#include "config/field.h"
#include "config/group.h"
#include "ipirm/core/error.h"

namespace ipirm::config {
namespace {

constexpr Program kProgram = {
    "ipirm-export",
    "Writes the encoder of a saved model under the names of torchvision's ResNets, without a "
    "head:\n"
    "conv1.weight, bn1.weight, layer1.0.conv1.weight ... float32, for torch.load(FILE,\n"
    "weights_only=True).",
    "Example:\n"
    "  ipirm-export --model_path results/STL/ipirm/model_400.pt --out resnet50.pt\n"
    "and in Python, where the network is that of small images (3x3 convolution, no max-pooling):\n"
    "  net = torchvision.models.resnet50()\n"
    "  net.conv1 = torch.nn.Conv2d(3, 64, 3, padding=1, bias=False)\n"
    "  net.maxpool = torch.nn.Identity()\n"
    "  net.fc = torch.nn.Identity()\n"
    "  net.load_state_dict(torch.load('resnet50.pt', weights_only=True))",
};

std::vector<Field> fields_of(ExportConfig& c) {
  std::vector<Field> fields;
  Group group(fields, "Files");
  group.text("model_path", "FILE", &c.model_path, "the .pt file whose encoder is taken (required)");
  group.text("out", "FILE", &c.out, "the .pt file to write (required)");
  group.flag_of_call("overwrite", &c.overwrite, "replace the file that --out names");
  return fields;
}

}  // namespace

std::optional<ExportConfig> parse_export(int argc, const char* const* argv) {
  ExportConfig config;
  if (!read_command_line(kProgram, fields_of(config), argc, argv)) return std::nullopt;
  if (config.model_path.empty())
    throw core::UserError("--model_path is missing: name the .pt file whose encoder is taken");
  if (config.out.empty()) throw core::UserError("--out is missing: name the .pt file to write");
  return config;
}

}  // namespace ipirm::config
