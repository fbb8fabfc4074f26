// Marks inline functions that both the CPU's code and CUDA kernels call.
#pragma once

#if defined(__CUDACC__)
#define IPIRM_HOST_DEVICE __host__ __device__
#else
#define IPIRM_HOST_DEVICE
#endif
