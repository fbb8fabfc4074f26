// Opens the data set of a kind.
#include "ipirm/data/image_set.h"

#include <c10/util/Exception.h>

#include "data/binary_sets.h"
#include "data/colored_digits.h"
#include "data/folder_set.h"
#include "ipirm/core/error.h"

namespace ipirm::data {

int stored_side(const DataOptions& options) {
  switch (options.dataset) {
    case DataSetKind::kStl:
      return kStlSide;
    case DataSetKind::kCifar10:
    case DataSetKind::kCifar100:
      return kCifarSide;
    case DataSetKind::kFolder:
      return options.image_size;
    case DataSetKind::kColoredDigits:
      return kColoredSide;
  }
  TORCH_INTERNAL_ASSERT(false, "a data set of no kind");
}

DataSets open_data_sets(const DataOptions& options) {
  if (!options.factors_csv.empty() && options.dataset != DataSetKind::kFolder) {
    throw core::UserError(core::cat("--factors_csv ", options.factors_csv, ": is for --dataset ",
                                    "Folder; the images of ", core::name_of(options.dataset),
                                    " have no names that a table could give: leave the flag out"));
  }
  switch (options.dataset) {
    case DataSetKind::kStl:
      return open_stl(options.root);
    case DataSetKind::kCifar10:
      return open_cifar10(options.root);
    case DataSetKind::kCifar100:
      return open_cifar100(options.root);
    case DataSetKind::kFolder:
      return open_folder(options.root, options.image_size,
                         options.for_check ? 0 : kFolderCacheBytes,
                         /*look_inside=*/!options.for_check, options.factors_csv);
    case DataSetKind::kColoredDigits:
      return make_colored_digits();
  }
  TORCH_INTERNAL_ASSERT(false, "a data set of no kind");
}

}  // namespace ipirm::data
