// Composes a linear evaluation: device, data, network, a probe for each known factor.
#include "ipirm/app/linear_app.h"

#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <optional>

#include "app/architecture.h"
#include "app/data_checks.h"
#include "app/image_sizes.h"
#include "ipirm/app/device.h"
#include "ipirm/app/program.h"
#include "ipirm/checkpoint/torch_file.h"
#include "ipirm/core/error.h"
#include "ipirm/core/files.h"
#include "ipirm/core/interrupt.h"
#include "ipirm/core/log.h"
#include "ipirm/eval/linear_probe.h"
#include "ipirm/model/model.h"

namespace ipirm::app {
namespace fs = std::filesystem;
namespace {

model::Model load_model(const config::LinearConfig& config, torch::Device device) {
  const fs::path path = config.model_path;
  const auto weights = checkpoint::read_torch_file(path);
  const auto options = infer_architecture(weights, path);
  const auto disagree = [&](const std::string& flag, const auto& given, const auto& found) {
    throw core::UserError(core::cat("--", flag, " ", given, ": ", path.string(), " holds a ", found,
                                    "; leave the flag out or name the file's own"));
  };
  if (config.arch && *config.arch != options.arch) disagree("arch", *config.arch, options.arch);
  if (config.width && *config.width != options.width) {
    disagree("width", *config.width, core::cat(options.arch, " of width ", options.width));
  }
  model::Model model(options);
  checkpoint::load_state_dict(*model, weights, path);
  model->to(device);
  model::use_channels_last(*model);
  return model;
}

// The files of one evaluation, made only where --txt asks for them.
class Results {
 public:
  Results(const config::LinearConfig& config, const fs::path& folder) {
    if (!config.txt) return;
    core::make_writable_folder(folder);
    lock_.emplace(folder);
    if (fs::exists(folder / "result.txt") && !config.overwrite) {
      throw core::UserError(core::cat(
          (folder / "result.txt").string(),
          ": an evaluation stands there; replace it by --overwrite, or choose another --name"));
    }
    core::write_atomically(folder / "config.yaml", to_yaml(config));
    text_.emplace(folder / "result.txt", /*keep=*/false);
    metrics_.emplace(folder / "metrics.jsonl", /*keep=*/false);
  }

  void epoch(const std::string& factor, bool is_class, const eval::LinearEpoch& e) {
    if (!text_) return;
    char line[120];
    std::snprintf(line, sizeof line, "test_loss: %.4f, test_acc@1: %.4f, test_acc@5: %.4f",
                  e.test_loss, e.test_top1, e.test_top5);
    if (is_class) text_->line(line);
    metrics_->line(nlohmann::ordered_json({{"event", "linear"},
                                           {"factor", factor},
                                           {"epoch", e.epoch},
                                           {"train_loss", e.train_loss},
                                           {"train_acc@1", e.train_top1},
                                           {"train_acc@5", e.train_top5},
                                           {"test_loss", e.test_loss},
                                           {"test_acc@1", e.test_top1},
                                           {"test_acc@5", e.test_top5}})
                       .dump());
  }

 private:
  std::optional<core::FolderLock> lock_;
  std::optional<core::LineFile> text_, metrics_;
};

// A line of the log; a loss that is no longer finite ends the evaluation.
void report_epoch(const std::string& factor, int64_t epochs, const eval::LinearEpoch& e) {
  char line[160];
  std::snprintf(line, sizeof line,
                "%s  epoch %lld/%lld  train loss %.4f  test loss %.4f  test_acc@1 %.2f  "
                "test_acc@5 %.2f",
                factor.c_str(), static_cast<long long>(e.epoch), static_cast<long long>(epochs),
                e.train_loss, e.test_loss, e.test_top1, e.test_top5);
  core::log_info(line);
  if (std::isfinite(e.train_loss) && std::isfinite(e.test_loss)) return;
  throw std::runtime_error(core::cat(factor, ", epoch ", e.epoch, ": the loss is ", e.train_loss,
                                     " in training, ", e.test_loss,
                                     " in the test; try a smaller --lr"));
}

}  // namespace

int run_linear(const config::LinearConfig& config) {
  core::set_log_level(config.log_level);
  if (config.check_data)
    return check_data(config.data, config.loader.workers, /*needs_labels=*/true);
  const auto device = choose_device(config.device);
  const bool bf16 = config.precision == "bf16";
  warn_if_bf16_is_slow(device, bf16);
  warn_about_sizes(config.data, config.augment);
  const auto sets = data::open_data_sets(config.data);
  require_accuracy(sets);
  check_test_images(sets, config.loader.workers);
  if (core::interrupted()) return kExitInterrupted;
  auto model = load_model(config, device);
  const auto folder = fs::path(config.downstream_root) / config.data.dataset / config.name;
  Results results(config, folder);

  eval::RunOptions run{device, bf16, config.loader, config.linear.batch_size,
                       config.augment.crop_size};
  run.loader.pinned = device.is_cuda();
  run.loader.channels_last = true;
  core::log_info(
      core::cat("ipirm-linear ", core::version(), "  ", describe(device), ", ", config.precision));
  core::log_info(core::cat(config.model_path, "  on ", config.data.dataset, "  ",
                           sets.labelled->size(), " training, ", sets.test->size(),
                           " test images"));
  const auto& factors = sets.labelled->factors();
  std::vector<eval::LinearEpoch> last(factors.size()), best(factors.size());
  eval::linear_probe(model, *sets.labelled, *sets.test, config.linear, config.augment, run,
                     [&](int factor, const eval::LinearEpoch& e) {
                       const auto f = static_cast<size_t>(factor);
                       results.epoch(factors[f].name, f == 0, e);
                       report_epoch(factors[f].name, config.linear.epochs, e);
                       last[f] = e;
                       if (e.epoch == 1 || e.test_top1 > best[f].test_top1) best[f] = e;
                       return true;
                     });
  for (size_t f = 0; f < factors.size() && last[f].epoch > 0; ++f) {
    char line[160];
    std::snprintf(line, sizeof line,
                  "%s  best test_acc@1 %.2f test_acc@5 %.2f (epoch %lld)  last test_acc@1 %.2f "
                  "test_acc@5 %.2f",
                  factors[f].name.c_str(), best[f].test_top1, best[f].test_top5,
                  static_cast<long long>(best[f].epoch), last[f].test_top1, last[f].test_top5);
    core::log_info(line);
  }
  if (config.txt) core::log_info(core::cat("results  ", folder.string()));
  return core::interrupted() ? kExitInterrupted : kExitOk;
}

}  // namespace ipirm::app
