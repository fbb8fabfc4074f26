// Compares the sizes of stored images and of views.
#include "app/image_sizes.h"

#include "ipirm/core/error.h"
#include "ipirm/core/log.h"
#include "ipirm/data/image_set.h"

namespace ipirm::app {

void warn_about_sizes(const data::DataOptions& data, const augment::AugmentOptions& augment) {
  const int side = data::stored_side(data);
  const bool folder = data.dataset == data::DataSetKind::kFolder;
  if (!folder && data.image_size != data::DataOptions().image_size && data.image_size != side) {
    core::log_warning(core::cat("--image_size ", data.image_size, " has no effect on ",
                                core::name_of(data.dataset), ", whose images are ", side, "x", side,
                                " pixels: it is for --dataset Folder"));
  }
  if (side == 0 || augment.recipe == augment::Recipe::kNone || augment.crop_size <= side) return;
  core::log_warning(
      core::cat("--crop_size ", augment.crop_size, " exceeds the stored images of ", side, "x",
                side, " pixels: views are enlarged and show no more detail",
                folder ? core::cat("; store larger images by --image_size ", augment.crop_size,
                                   " or more, or whole ones by --image_size 0")
                       : ""));
}

}  // namespace ipirm::app
