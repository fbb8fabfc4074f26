# The files that report.html carries within itself become functions of src/inspect/embedded.h: the page's style and script, and
# dygraphs (MIT), which draws the curves, from Debian's libjs-dygraphs.
find_path(IPIRM_DYGRAPHS dygraph.min.js PATHS /usr/share/javascript/dygraphs NO_DEFAULT_PATH REQUIRED)

# ipirm_embed(NAME FILE): a source of ipirm_inspect that gives the file's bytes as embedded::NAME().
function(ipirm_embed name file)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${file})
  file(READ ${file} bytes HEX)
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${bytes}")
  set(source ${CMAKE_BINARY_DIR}/embedded/${name}.cpp)
  file(CONFIGURE OUTPUT ${source} @ONLY CONTENT
"// ${file}, made by src/inspect/inspect.cmake.
#include \"inspect/embedded.h\"
namespace ipirm::inspect::embedded {
static const unsigned char kBytes[] = {${bytes}};
std::string_view ${name}() { return {reinterpret_cast<const char*>(kBytes), sizeof kBytes}; }
}
")
  set_source_files_properties(${source} PROPERTIES SKIP_PRECOMPILE_HEADERS ON)
  target_sources(ipirm_inspect PRIVATE ${source})
endfunction()
ipirm_embed(page_style ${CMAKE_CURRENT_SOURCE_DIR}/src/inspect/page.css)
ipirm_embed(page_script ${CMAKE_CURRENT_SOURCE_DIR}/src/inspect/page.js)
ipirm_embed(dygraphs_style ${IPIRM_DYGRAPHS}/dygraph.min.css)
ipirm_embed(dygraphs_script ${IPIRM_DYGRAPHS}/dygraph.min.js)
