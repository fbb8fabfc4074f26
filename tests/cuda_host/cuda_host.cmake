# CUDA sources compiled as C++ and run on the CPU (cuda_host.h). Three programs:
# - cuda_host_test: the kernels and the host run itself, without LibTorch;
# - cuda_host_sanitized_test: the same under the address and undefined-behaviour sanitizers;
# - cuda_glue_test: the kernels through the dispatcher, with tensors of the host.
if(NOT CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  return()  # stacks are switched by instructions of x86-64
endif()
set(cuda_host_options -Wno-unknown-pragmas)  # "unroll" is for nvcc

file(GLOB cuda_host_tests CONFIGURE_DEPENDS tests/cuda_host/*_test.cpp)
foreach(name cuda_host cuda_host_sanitized)
  add_executable(${name}_test ${cuda_host_tests})
  target_include_directories(${name}_test PRIVATE src tests)
  target_compile_options(${name}_test PRIVATE ${cuda_host_options})
  target_link_libraries(${name}_test PRIVATE Threads::Threads GTest::gmock GTest::gtest GTest::gtest_main)
endforeach()
set(cuda_host_sanitizers -fsanitize=address,undefined -fno-sanitize-recover=undefined -g1)
target_compile_options(cuda_host_sanitized_test PRIVATE ${cuda_host_sanitizers})
target_link_options(cuda_host_sanitized_test PRIVATE ${cuda_host_sanitizers})

# The launchers of src/ops/cuda/*.cu and the functions of kernels.h. Who links it brings launch_on (ops/cuda/runtime.h).
file(GLOB cuda_glue CONFIGURE_DEPENDS src/ops/cuda/*_glue.cpp)
add_library(cuda_on_host STATIC tests/cuda_host/kernels_on_host.cpp ${cuda_glue})
target_include_directories(cuda_on_host PRIVATE src tests)
target_compile_options(cuda_on_host PRIVATE ${cuda_host_options})
target_link_libraries(cuda_on_host PUBLIC ipirm_ops libtorch Threads::Threads)
target_precompile_headers(cuda_on_host REUSE_FROM ipirm_pch)

file(GLOB cuda_glue_tests CONFIGURE_DEPENDS tests/cuda_host/glue/*.cpp)
add_executable(cuda_glue_test ${cuda_glue_tests})
target_include_directories(cuda_glue_test PRIVATE src tests)
target_link_libraries(cuda_glue_test PRIVATE ipirm_train cuda_on_host GTest::gtest GTest::gtest_main)
target_precompile_headers(cuda_glue_test REUSE_FROM ipirm_pch)

# Under the sanitizers each test takes a few times as long: those of many samples run without them, all others with them.
set(cuda_host_arguments --gtest_filter=*ManySamples*:*EveryBarrier*)
set(cuda_host_sanitized_arguments --gtest_filter=-*ManySamples*:*EveryBarrier*)
foreach(name cuda_host cuda_host_sanitized cuda_glue)
  set_target_properties(${name}_test PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
  add_test(NAME ${name} COMMAND ${name}_test ${${name}_arguments} WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
  set_tests_properties(${name} PROPERTIES ENVIRONMENT "${test_environment}")
endforeach()
