// The files that report.html carries within itself (inspect.cmake).
#pragma once

#include <string_view>

namespace ipirm::inspect::embedded {

std::string_view page_style();
std::string_view page_script();
std::string_view dygraphs_style();
std::string_view dygraphs_script();

}  // namespace ipirm::inspect::embedded
