// Opens the data set of a kind.
#include "ipirm/data/image_set.h"

#include <c10/util/Exception.h>

#include "data/binary_sets.h"
#include "data/colored_digits.h"
#include "data/folder_set.h"
#include "data/grey_sets.h"
#include "data/shapes.h"
#include "ipirm/core/error.h"
#include "ipirm/core/log.h"

namespace ipirm::data {
namespace {

// Settings of one set alone are refused beside another, which would leave them unread.
void check_options_of_sets(const DataOptions& options) {
  const auto refuse_if = [&](bool wrong, const std::string& flag, const char* sets,
                             const char* reason) {
    if (!wrong) return;
    throw core::UserError(core::cat("--", flag, ": is for --dataset ", sets, "; the images of ",
                                    core::name_of(options.dataset), reason,
                                    ": leave the flag out"));
  };
  const DataOptions defaults;
  const bool folder = options.dataset == DataSetKind::kFolder;
  refuse_if(!folder && !options.factors_csv.empty(), "factors_csv " + options.factors_csv, "Folder",
            " have no names that a table could give");
  const bool grey =
      options.dataset == DataSetKind::kMnist || options.dataset == DataSetKind::kFashionMnist;
  const char* const grey_sets = "MNIST and FashionMNIST";
  refuse_if(!grey && options.pad != defaults.pad, "pad", grey_sets, " have another size");
  refuse_if(!grey && options.colours != defaults.colours, "colours", grey_sets, " are not grey");
  refuse_if(!grey && options.colour_noise != defaults.colour_noise, "colour_noise", grey_sets,
            " are not grey");
  const bool shapes = options.dataset == DataSetKind::kShapes;
  const char* const fixed = " are as many as its files hold";
  refuse_if(!shapes && options.shapes_train != defaults.shapes_train, "shapes_train", "Shapes",
            fixed);
  refuse_if(!shapes && options.shapes_test != defaults.shapes_test, "shapes_test", "Shapes", fixed);
  refuse_if(!grey && options.colour_correlation, "colour_correlation", grey_sets, " are not grey");
}

// Says what a set with several factors holds, after a look at every value.
DataSets with_known_factors(DataSets sets, const DataOptions& options) {
  std::string listed;
  for (size_t f = 0; f < sets.train->factors().size(); ++f) {
    const Factor& factor = sets.train->factors()[f];
    for (const auto* set : {sets.train.get(), sets.test.get()}) {
      const auto& values = set->factors()[f].values;
      TORCH_INTERNAL_ASSERT(static_cast<int64_t>(values.size()) == set->size());
      for (const int64_t value : values)
        TORCH_INTERNAL_ASSERT(value >= 0 && value < factor.num_values);
    }
    listed +=
        core::cat(listed.empty() ? "" : ", ", factor.name, " (", factor.num_values, " values)");
  }
  core::log_info(core::cat(core::name_of(options.dataset), ": ", sets.train->size(), " + ",
                           sets.test->size(), " images, factors ", listed));
  return sets;
}

}  // namespace

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
    case DataSetKind::kMnist:
    case DataSetKind::kFashionMnist:
      return kGreySide + 2 * options.pad;
    case DataSetKind::kShapes:
      return kShapesSide;
  }
  TORCH_INTERNAL_ASSERT(false, "a data set of no kind");
}

DataSets open_data_sets(const DataOptions& options) {
  check_options_of_sets(options);
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
    case DataSetKind::kMnist:
      return with_known_factors(open_mnist(options), options);
    case DataSetKind::kFashionMnist:
      return with_known_factors(open_fashion_mnist(options), options);
    case DataSetKind::kShapes:
      return with_known_factors(make_shapes(options.shapes_train, options.shapes_test), options);
  }
  TORCH_INTERNAL_ASSERT(false, "a data set of no kind");
}

}  // namespace ipirm::data
