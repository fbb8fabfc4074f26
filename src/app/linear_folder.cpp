// Writes a linear evaluation's files.
#include "app/linear_folder.h"

#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>

#include "app/resume.h"
#include "ipirm/config/linear_config.h"
#include "ipirm/core/error.h"
#include "ipirm/core/log.h"

namespace ipirm::app {
namespace fs = std::filesystem;
namespace {

const fs::path& made(const fs::path& folder) {
  core::make_writable_folder(folder);
  return folder;
}

// Epochs that the file holds the results of, as far as they are counted.
int num_epochs(const fs::path& file, int at_most) {
  std::ifstream text(file);
  int num_lines = 0;
  for (std::string line; num_lines < at_most && std::getline(text, line);) ++num_lines;
  return num_lines;
}

}  // namespace

LinearFolder::LinearFolder(fs::path path)
    : path_(std::move(path)), lock_(made(path_)), state_file_(path_, "linear_state") {}

std::optional<std::pair<LinearState, fs::path>> LinearFolder::load_state(const std::string& yaml) {
  if (!holds_state()) return std::nullopt;
  // Whatever model file is named, its weights are compared, and with them arch and width.
  if (fs::exists(path_ / "config.yaml"))
    check_settings_unchanged(path_ / "config.yaml", yaml, to_yaml(config::LinearConfig()),
                             {"model_path", "arch", "width"});
  LinearState state;
  const auto source =
      state_file_.read_newest([&](const fs::path& file) { state = read_linear_state(file); });
  if (!source) return std::nullopt;
  return std::pair(std::move(state), *source);
}

void LinearFolder::begin(const std::string& yaml, bool replace, bool resume) {
  // An evaluation that was killed in its first epoch leaves no state and at most one line.
  const int allowed = resume ? 1 : 0;
  if (!replace && (num_epochs(path_ / "result.txt", allowed + 1) > allowed || holds_state())) {
    throw core::UserError(
        core::cat(path_.string(), ": already holds an evaluation",
                  resume ? " without a state to go on from; " : "; go on with it by --resume, ",
                  "replace it by --overwrite, or choose another --name"));
  }
  state_file_.remove();  // before all else: a state must never stand beside other settings
  core::write_atomically(path_ / "config.yaml", yaml);
  text_.emplace(path_ / "result.txt", /*keep=*/false);
  metrics_.emplace(path_ / "metrics.jsonl", /*keep=*/false);
}

void LinearFolder::go_on(const std::string& yaml, const LinearState& state) {
  text_.emplace(path_ / "result.txt", /*keep=*/true);
  metrics_.emplace(path_ / "metrics.jsonl", /*keep=*/true);
  text_->truncate_to(state.text_sizes[0]);
  metrics_->truncate_to(state.text_sizes[1]);
  core::write_atomically(path_ / "config.yaml", yaml);
}

void LinearFolder::epoch(const std::string& factor, bool is_class, const eval::LinearEpoch& e) {
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

void LinearFolder::save(LinearState& state) {
  for (auto* file : {&text_, &metrics_})
    (*file)->flush();  // the state must not know more than they hold
  state.text_sizes = {text_->size(), metrics_->size()};
  state_file_.write(to_tensors(state));
}

}  // namespace ipirm::app
