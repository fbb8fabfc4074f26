# Programs that run on another machine, beside any PyTorch wheel of the version built against: with libyaml-cpp and libz at
# most beside them, no newer glibc than 2.34, no newer libstdc++ than gcc 11's. `cmake --install build --component portable` puts
# them into bin/ and the operators into lib/; scripts/gpu_bundle.sh makes one file of it.
#
# Objects come before archives: what these define is not taken from ipirm_data (OpenCV, libjpeg, libtiff and the 130
# libraries behind them) and ipirm_core (Debian's libspdlog), and --as-needed drops the libraries that nothing asks for then.
add_library(ipirm_portable OBJECT src/data/portable/image_decode.cpp src/inspect/portable/picture.cpp
  src/core/portable/condition_variable.cpp src/core/log.cpp)
target_include_directories(ipirm_portable PRIVATE include src)
target_compile_definitions(ipirm_portable PRIVATE SPDLOG_FMT_EXTERNAL FMT_HEADER_ONLY IPIRM_VERSION="${PROJECT_VERSION}")
add_custom_target(portable DEPENDS ipirm_ops)

# ipirm_portable_program(NAME sources LIBRARIES library ...): build/portable/NAME, installed as bin/NAME.
function(ipirm_portable_program name)
  cmake_parse_arguments(PROGRAM "" "" "LIBRARIES" ${ARGN})
  add_executable(portable-${name} ${PROGRAM_UNPARSED_ARGUMENTS} $<TARGET_OBJECTS:ipirm_portable>)
  target_link_options(portable-${name} PRIVATE LINKER:--as-needed)
  target_link_libraries(portable-${name} PRIVATE ${PROGRAM_LIBRARIES})
  set_target_properties(portable-${name} PROPERTIES OUTPUT_NAME ${name} LINKER_LANGUAGE CXX
    RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/portable INSTALL_RPATH "$ORIGIN/../lib")
  add_dependencies(portable portable-${name})
  install(TARGETS portable-${name} RUNTIME DESTINATION bin COMPONENT portable)
endfunction()
foreach(name train linear partition)
  ipirm_portable_program(ipirm-${name} src/bin/ipirm_${name}.cpp LIBRARIES ipirm_app)
endforeach()
get_target_property(device_libraries device_test LINK_LIBRARIES)
ipirm_portable_program(device_test $<TARGET_OBJECTS:device_test> LIBRARIES ${device_libraries})

foreach(library ipirm_ops ipirm_cuda)
  if(TARGET ${library})
    set_target_properties(${library} PROPERTIES INSTALL_RPATH "$ORIGIN")
    install(TARGETS ${library} LIBRARY DESTINATION lib COMPONENT portable)
    add_dependencies(portable ${library})
  endif()
endforeach()
