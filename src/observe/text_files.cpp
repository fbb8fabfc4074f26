// Opens, measures and cuts a run's text files.
#include "ipirm/observe/text_files.h"

namespace ipirm::observe {

LineSink TextFiles::open(const std::string& name) {
  files_.emplace_back(name, std::make_unique<core::LineFile>(folder_ / name, keep_));
  return [file = files_.back().second.get()](const std::string& text) { file->line(text); };
}

void TextFiles::clear() {
  for (const auto& [name, file] : files_) file->truncate_to(0);
}

core::LineFile& TextFiles::file(const std::string& name) const {
  for (const auto& [found, file] : files_)
    if (found == name) return *file;
  TORCH_CHECK(false, "no text file ", name, " is open");
}

void TextFiles::flush() const {
  for (const auto& [name, file] : files_) file->flush();
}

uint64_t TextFiles::size(const std::string& name) const { return file(name).size(); }

void TextFiles::truncate(const std::string& name, uint64_t size) { file(name).truncate_to(size); }

checkpoint::StateDict TextFiles::state() const {
  flush();
  checkpoint::StateDict sizes;
  for (const auto& [name, file] : files_)
    sizes.emplace_back("text." + name,
                       torch::full({}, static_cast<int64_t>(file->size()), torch::kInt64));
  return sizes;
}

void TextFiles::load(checkpoint::SavedTensors& saved) {
  saved.take_all("text.");  // also of files that this run does not write any more
  for (const auto& [name, file] : files_) {
    const auto key = "text." + name;
    file->truncate_to(
        saved.holds(key) ? static_cast<uint64_t>(saved.take(key, {}, torch::kInt64).item<int64_t>())
                         : 0);
  }
}

}  // namespace ipirm::observe
