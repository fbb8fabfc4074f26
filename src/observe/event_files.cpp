// Names, opens, cuts and removes a run's event files.
#include "ipirm/observe/event_files.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <regex>

#include "ipirm/core/error.h"
#include "observe/events.h"

namespace ipirm::observe {
namespace fs = std::filesystem;
namespace {

constexpr const char* kPrefix = "events.";  // of the names in a state

// TensorBoard reads every file whose name has "tfevents" in it, in the order of the names.
std::string name_of(int64_t number) {
  char name[64];
  std::snprintf(name, sizeof name, "events.out.tfevents.%06lld.ipirm",
                static_cast<long long>(number));
  return name;
}

// The number in such a name; 0 for any other name.
int64_t number_in(const std::string& name) {
  static const std::regex kName("events\\.out\\.tfevents\\.([0-9]{6,12})\\.ipirm");
  std::smatch found;
  return std::regex_match(name, found, kName) ? std::stoll(found[1]) : 0;
}

void remove_file(const fs::path& file) {
  std::error_code error;
  fs::remove(file, error);
  if (error) {
    throw core::WriteError(core::cat(file.string(), ": cannot remove this file: ", error.message(),
                                     "; remove it yourself, and run again"));
  }
}

}  // namespace

EventFiles::EventFiles(fs::path folder) : folder_(std::move(folder)) {
  for (const auto& name : names_in_folder())
    next_number_ = std::max(next_number_, number_in(name) + 1);
}

std::vector<std::string> EventFiles::names_in_folder() const {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(folder_)) {
    const auto name = entry.path().filename().string();
    if (number_in(name) > 0) names.push_back(name);
  }
  std::ranges::sort(names, {}, number_in);
  return names;
}

void EventFiles::open_next() {
  const auto name = name_of(next_number_++);
  open_ = std::make_unique<core::LineFile>(folder_ / name, /*keep=*/false);
  files_.push_back({name, 0});
  const std::chrono::duration<double> now = std::chrono::system_clock::now().time_since_epoch();
  open_->append(record_of(version_event(now.count())));
}

void EventFiles::append(const std::string& event) {
  if (!open_) open_next();
  open_->append(record_of(event));
  files_.back().size = open_->size();
}

void EventFiles::clear() {
  open_.reset();
  files_.clear();
  for (const auto& name : names_in_folder()) remove_file(folder_ / name);
}

checkpoint::StateDict EventFiles::state() const {
  if (open_) open_->flush();
  checkpoint::StateDict sizes;
  for (const auto& file : files_) {
    sizes.emplace_back(kPrefix + file.name,
                       torch::full({}, static_cast<int64_t>(file.size), torch::kInt64));
  }
  return sizes;
}

void EventFiles::load(checkpoint::SavedTensors& saved) {
  open_.reset();
  files_.clear();
  for (const auto& name : names_in_folder())
    if (!saved.holds(kPrefix + name)) remove_file(folder_ / name);
  for (const auto& [key, size] : saved.take_all(kPrefix)) {
    const auto name = key.substr(std::char_traits<char>::length(kPrefix));
    if (number_in(name) == 0 || size.numel() != 1 || size.scalar_type() != torch::kInt64) {
      throw core::UserError(core::cat(saved.source(), ": '", key,
                                      "' is not the length of an event file; the file ",
                                      "is damaged"));
    }
    core::LineFile file(folder_ / name, /*keep=*/true);
    file.truncate_to(static_cast<uint64_t>(size.item<int64_t>()));
    files_.push_back({name, file.size()});
    next_number_ = std::max(next_number_, number_in(name) + 1);
  }
}

}  // namespace ipirm::observe
