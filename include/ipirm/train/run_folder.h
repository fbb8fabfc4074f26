// A run's folder results/DATASET/NAME/: exclusive use of it, and what to do about an earlier run in
// it (METHOD 9; src/checkpoint/FORMAT.md).
#pragma once

#include <filesystem>
#include <string>

#include "ipirm/core/files.h"
#include "ipirm/data/image_set.h"

namespace ipirm::train {

// What to do about a folder that already holds a run.
enum class ExistingRun { kRefuse, kOverwrite, kResume };

class RunFolder {
 public:
  // Makes and locks the folder. Throws UserError if it cannot be written to, is in use, or holds a
  // run (any file of one that is not empty) and `existing` is kRefuse. kOverwrite removes the files
  // of the earlier run, and only those.
  RunFolder(std::filesystem::path path, ExistingRun existing);

  const std::filesystem::path& path() const { return path_; }

  // config.yaml.
  void write_config(const std::string& yaml) const;
  // samples.csv: a row for each image of a set that names them: index, path, label, class. One that
  // is there stays, unless `replace`.
  void write_samples(const data::ImageSet& set, bool replace) const;

 private:
  std::filesystem::path path_;
  core::FolderLock lock_;
};

}  // namespace ipirm::train
