# cuda_host_test: CUDA sources compiled as C++ and run on the CPU (cuda_host.h). It needs no LibTorch. cuda_host_sanitized_test
# is the same under the address and undefined-behaviour sanitizers.
if(CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  file(GLOB cuda_host_tests CONFIGURE_DEPENDS tests/cuda_host/*_test.cpp)
  set(cuda_host_sanitized_arguments --gtest_filter=-*ManySamples*:*EveryBarrier*)  # a few times slower there
  foreach(name cuda_host cuda_host_sanitized)
    add_executable(${name}_test ${cuda_host_tests})
    target_include_directories(${name}_test PRIVATE src tests)
    target_compile_options(${name}_test PRIVATE -Wno-unknown-pragmas)  # "unroll" is for nvcc
    target_link_libraries(${name}_test PRIVATE Threads::Threads GTest::gmock GTest::gtest GTest::gtest_main)
    set_target_properties(${name}_test PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
    add_test(NAME ${name} COMMAND ${name}_test ${${name}_arguments} WORKING_DIRECTORY ${CMAKE_SOURCE_DIR})
  endforeach()
  set(cuda_host_sanitizers -fsanitize=address,undefined -fno-sanitize-recover=undefined -g1)
  target_compile_options(cuda_host_sanitized_test PRIVATE ${cuda_host_sanitizers})
  target_link_options(cuda_host_sanitized_test PRIVATE ${cuda_host_sanitizers})
endif()
# It includes CUDA sources, as C++.
set_source_files_properties(tests/ops/partition_risk_kernels_test.cpp PROPERTIES COMPILE_OPTIONS -Wno-unknown-pragmas)
