# libipirm_cuda.so: CUDA kernels for libipirm_ops.so, where nvcc is found. CMake's own CUDA support is left alone: it wants a
# whole toolkit, and nvcc and the wheel's libcudart are enough.
set(IPIRM_CUDA AUTO CACHE STRING "CUDA kernels: ON, OFF, or AUTO (where nvcc and the CUDA half of LibTorch are found)")
set_property(CACHE IPIRM_CUDA PROPERTY STRINGS AUTO ON OFF)
if(NOT IPIRM_CUDA)
  return()
endif()

# Where kernels can't be built: an error for ON, a line for AUTO.
function(ipirm_no_cuda reason)
  if(IPIRM_CUDA STREQUAL "AUTO")
    message(STATUS "CUDA kernels: not built, ${reason}")
  else()
    message(FATAL_ERROR "IPIRM_CUDA=${IPIRM_CUDA}: ${reason}")
  endif()
endfunction()

set(cuda_wheels ${LIBTORCH}/../nvidia/cu13)  # the wheel's own CUDA; WITH_NVCC=1 scripts/setup.sh puts nvcc there
foreach(found IPIRM_NVCC IPIRM_CUDART IPIRM_CUDA_HEADERS)
  unset(${found} CACHE)  # looked for each time: WITH_NVCC=1 may have brought the right ones
endforeach()
find_program(IPIRM_NVCC nvcc HINTS ${cuda_wheels}/bin ENV CUDA_HOME PATHS /usr/local/cuda PATH_SUFFIXES bin)
if(NOT IPIRM_NVCC)
  ipirm_no_cuda("nvcc is not found (WITH_NVCC=1 scripts/setup.sh installs it)")
  return()
endif()
if(NOT EXISTS ${LIBTORCH}/lib/libc10_cuda.so)
  ipirm_no_cuda("this LibTorch has no CUDA half")
  return()
endif()
execute_process(COMMAND ${IPIRM_NVCC} --version OUTPUT_VARIABLE nvcc_version)
string(REGEX MATCH "release ([0-9]+)" nvcc_version "${nvcc_version}")
if(NOT CMAKE_MATCH_1 EQUAL 13)
  ipirm_no_cuda("${IPIRM_NVCC} is of CUDA ${CMAKE_MATCH_1}, LibTorch of CUDA 13")
  return()
endif()
get_filename_component(cuda_root ${IPIRM_NVCC} REALPATH)
get_filename_component(cuda_root ${cuda_root}/../.. ABSOLUTE)
find_file(IPIRM_CUDART NAMES libcudart.so.13 PATHS ${cuda_wheels}/lib ${cuda_root}/lib64 ${cuda_root}/lib NO_DEFAULT_PATH)
find_path(IPIRM_CUDA_HEADERS cuda_runtime_api.h PATHS ${cuda_wheels}/include ${cuda_root}/include NO_DEFAULT_PATH)
if(NOT IPIRM_CUDART OR NOT IPIRM_CUDA_HEADERS)
  ipirm_no_cuda("libcudart.so.13 or its headers are not found")
  return()
endif()
message(STATUS "CUDA kernels: built by ${IPIRM_NVCC}")

# The A100 and the H100, and PTX for what comes after them.
set(cuda_flags -std=c++20 -O3 -gencode arch=compute_80,code=sm_80 -gencode "arch=compute_90,code=[sm_90,compute_90]"
  -ccbin ${CMAKE_CXX_COMPILER} -Xcompiler -fPIC,-Wall)
file(GLOB cuda_kernels CONFIGURE_DEPENDS src/ops/cuda/*.cu)
foreach(source ${cuda_kernels})
  get_filename_component(name ${source} NAME)
  set(object ${CMAKE_BINARY_DIR}/cuda/${name}.o)
  add_custom_command(OUTPUT ${object}
    COMMAND ${CMAKE_COMMAND} -E make_directory ${CMAKE_BINARY_DIR}/cuda
    # The assembler's report of registers and spills goes to a file, which cuda_library_test.py reads.
    COMMAND sh -c "\"$@\" >${object}.report 2>&1 || { cat ${object}.report; exit 1; }" nvcc
      ${IPIRM_NVCC} ${cuda_flags} -Xptxas -v -I${CMAKE_SOURCE_DIR}/src -MD -MF ${object}.d -c ${source} -o ${object}
    DEPENDS ${source} DEPFILE ${object}.d COMMENT "Building CUDA object ${name}.o" VERBATIM)
  list(APPEND cuda_objects ${object})
endforeach()
file(GLOB cuda_sources CONFIGURE_DEPENDS src/ops/cuda/*.cpp)
add_library(ipirm_cuda SHARED ${cuda_sources} ${cuda_objects})
target_include_directories(ipirm_cuda PRIVATE src)
target_include_directories(ipirm_cuda SYSTEM PRIVATE ${IPIRM_CUDA_HEADERS})
target_link_libraries(ipirm_cuda PRIVATE ipirm_ops ${LIBTORCH}/lib/libc10_cuda.so ${IPIRM_CUDART})
target_precompile_headers(ipirm_cuda REUSE_FROM ipirm_pch)
# Beside libipirm_ops.so wherever both are put.
set_target_properties(ipirm_cuda PROPERTIES BUILD_RPATH "$ORIGIN")
