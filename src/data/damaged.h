// What is said of a published file that does not hold what its format says.
#pragma once

namespace ipirm::data {

constexpr const char* kDamaged = "; the file is damaged or of another format: fetch it again";

}  // namespace ipirm::data
