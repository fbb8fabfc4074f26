// The sources that nvcc would compile, compiled as C++: their launchers run kernels on the CPU.
#include "ops/cuda/environment_loss.cu"
