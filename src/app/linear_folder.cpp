// Writes a linear evaluation's files.
#include "app/linear_folder.h"

#include <fstream>

#include "app/linear_results.h"
#include "app/resume.h"
#include "ipirm/checkpoint/host_copy.h"
#include "ipirm/config/linear_config.h"
#include "ipirm/core/error.h"
#include "ipirm/observe/metrics_lines.h"
#include "ipirm/observe/reference_texts.h"

namespace ipirm::app {
namespace fs = std::filesystem;
namespace {

constexpr const char* kResult = "result.txt";
constexpr const char* kMetrics = "metrics.jsonl";

// Epochs that the file holds the results of, as far as they are counted.
int num_epochs(const fs::path& file, int at_most) {
  std::ifstream text(file);
  int num_lines = 0;
  for (std::string line; num_lines < at_most && std::getline(text, line);) ++num_lines;
  return num_lines;
}

}  // namespace

LinearFolder::LinearFolder(fs::path path)
    : path_(std::move(path)),
      lock_(core::make_writable_folder(path_)),
      state_file_(path_, "linear_state") {}

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
  if (!replace && (num_epochs(path_ / kResult, allowed + 1) > allowed || holds_state())) {
    throw core::UserError(
        core::cat(path_.string(), ": already holds an evaluation",
                  resume ? " without a state to go on from; " : "; go on with it by --resume, ",
                  "replace it by --overwrite, or choose another --name"));
  }
  state_file_.remove();  // before all else: a state must never stand beside other settings
  remove_results(path_);
  core::write_atomically(path_ / "config.yaml", yaml);
  open_texts(/*keep=*/false);
}

void LinearFolder::go_on(const std::string& yaml, const LinearState& state) {
  open_texts(/*keep=*/true);
  texts_->truncate(kResult, state.text_sizes[0]);
  texts_->truncate(kMetrics, state.text_sizes[1]);
  core::write_atomically(path_ / "config.yaml", yaml);
}

void LinearFolder::open_texts(bool keep) {
  texts_.emplace(path_, keep);
  observers_ = train::Observers(
      {std::make_shared<observe::ReferenceTexts>(observe::LineSink(), texts_->open(kResult)),
       std::make_shared<observe::MetricsLines>(texts_->open(kMetrics))});
}

void LinearFolder::save(LinearState& state) {
  texts_->flush();  // the state must not know more than they hold
  state.text_sizes = {texts_->size(kResult), texts_->size(kMetrics)};
  state_file_.write(checkpoint::host_copy(to_tensors(state)));
}

}  // namespace ipirm::app
