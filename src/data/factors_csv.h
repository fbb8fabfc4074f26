// Factors of a folder's images from a table that its user wrote.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "ipirm/data/image_set.h"

namespace ipirm::data {

// More different values than this are no factor but a name or a measurement.
inline constexpr size_t kMostFactorValues = 10000;

// The images of one part, in the set's order.
struct PartNames {
  std::string part;                // "training", "test": for messages
  std::vector<std::string> names;  // paths below the data root, '/' between folders
};

// The factors of each part, in the order of the table's columns, with the same values for all
// parts. The table (core/csv.h) has a column "path" and a row for each image of each part; "index",
// "label" and "class", which a run's samples.csv has, are the set's own and not read; every other
// column is a factor, whose name it gives. A factor's values are numbered from 0 in ascending
// order: by number where all are whole numbers of 64 bits, otherwise by their bytes. Rows of other
// paths are left out, with a warning. Ends with a line of the log that lists the factors. Throws
// UserError naming file and line for a table without "path" or without factors, a path that is
// there twice, an image without row, a value that is empty, and a column of more than
// kMostFactorValues values.
std::vector<std::vector<Factor>> read_factors_csv(const std::filesystem::path& csv,
                                                  const std::vector<PartNames>& parts);

}  // namespace ipirm::data
