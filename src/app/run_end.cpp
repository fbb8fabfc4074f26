// Puts a run's last words together.
#include "app/run_end.h"

#include <sstream>
#include <string>
#include <system_error>

#include "app/data_checks.h"
#include "ipirm/core/error.h"
#include "ipirm/core/log.h"
#include "ipirm/core/text.h"
#include "ipirm/inspect/run_summary.h"

namespace ipirm::app {
namespace fs = std::filesystem;
namespace {

// The program of that name beside this one, seen from the working folder; empty where there is
// none.
std::string beside_this(const std::string& name) {
  std::error_code error;
  const auto self = fs::read_symlink("/proc/self/exe", error);
  const auto path = self.parent_path() / name;
  if (error || !fs::exists(path, error)) return "";
  const auto near = fs::proximate(path, error);
  return core::shell_word((error || near.string().starts_with("..") ? path : near).string());
}

// The flags by which another program opens the same data.
std::string data_flags(const config::TrainConfig& config) {
  const auto& data = config.data;
  const data::DataOptions defaults;
  std::string flags = core::cat(" --dataset ", core::name_of(data.dataset));
  if (data.root != defaults.root) flags += " --data_root " + core::shell_word(data.root);
  if (data.image_size != defaults.image_size) flags += core::cat(" --image_size ", data.image_size);
  if (!data.factors_csv.empty()) flags += " --factors_csv " + core::shell_word(data.factors_csv);
  if (data.colours != defaults.colours) flags += core::cat(" --colours ", data.colours);
  if (data.colour_noise != defaults.colour_noise)
    flags += core::cat(" --colour_noise ", data.colour_noise);
  if (data.colour_correlation) flags += " --colour_correlation";
  if (data.pad != defaults.pad) flags += core::cat(" --pad ", data.pad);
  if (data.shapes_train != defaults.shapes_train)
    flags += core::cat(" --shapes_train ", data.shapes_train);
  if (data.shapes_test != defaults.shapes_test)
    flags += core::cat(" --shapes_test ", data.shapes_test);
  return flags;
}

std::string augment_flags(const config::TrainConfig& config) {
  const auto& augment = config.augment;
  const augment::AugmentOptions defaults;
  std::string flags;
  if (augment.crop_size != defaults.crop_size)
    flags += core::cat(" --crop_size ", augment.crop_size);
  if (augment.crop_scale_min != defaults.crop_scale_min)
    flags += core::cat(" --crop_scale_min ", augment.crop_scale_min);
  if (augment.hflip != defaults.hflip) flags += core::cat(" --hflip ", augment.hflip);
  if (augment.recipe != defaults.recipe)
    flags += core::cat(" --augment ", core::name_of(augment.recipe));
  if (augment.jitter != defaults.jitter) flags += core::cat(" --jitter ", augment.jitter);
  if (augment.jitter_probability != defaults.jitter_probability)
    flags += core::cat(" --jitter_probability ", augment.jitter_probability);
  if (augment.grayscale != defaults.grayscale)
    flags += core::cat(" --grayscale ", augment.grayscale);
  if (augment.blur != defaults.blur) flags += core::cat(" --blur ", augment.blur);
  return flags;
}

}  // namespace

void say_what_came_out(const config::TrainConfig& config, const data::DataSets& sets,
                       const fs::path& folder) {
  try {
    std::istringstream table(
        inspect::run_summary(inspect::read_run_record(folder / "metrics.jsonl")));
    for (std::string line; std::getline(table, line);) core::log_info("  " + line);
  } catch (const core::UserError& error) {  // all the rest of the run is in order
    core::log_warning(core::cat("the run's figures are not summed up: ", error.what()));
  }
  core::log_info("next:");
  const auto model = folder / core::cat("model_", config.train.epochs, ".pt");
  const auto linear = beside_this("ipirm-linear"), inspect = beside_this("ipirm-inspect");
  std::error_code error;
  if (!linear.empty() && why_no_accuracy(sets).empty() && fs::exists(model, error)) {
    core::log_info(core::cat("  ", linear, " --model_path ", core::shell_word(model.string()),
                             data_flags(config), augment_flags(config), " --txt --predict"));
  }
  if (!inspect.empty())
    core::log_info(core::cat("  ", inspect, " ", core::shell_word(folder.string())));
  if (config.tensorboard)
    core::log_info("  tensorboard --logdir " + core::shell_word(config.results_root));
}

}  // namespace ipirm::app
