// What a program needs of the machine before it begins: its standard descriptors, and its threads;
// and how much memory it has.
#pragma once

#include <cstdint>

namespace ipirm::core {

// Opens /dev/null in the place of each of the descriptors 0 to 2 that was closed when the program
// started: the next file to be opened would get its number, and log lines would land in it.
void claim_standard_descriptors();

// Starts `count` threads, all alive at once, and ends them again. Throws UserError that names the
// settings to lower when the system refuses one: LibTorch's thread library would later end the
// process without a saved state. count >= 0.
void check_threads(int count);

// Memory of this process that lies in the machine's, bytes: now, and at most so far or since
// forget_peak_resident_bytes(). 0 where the system does not say.
int64_t resident_bytes();
int64_t peak_resident_bytes();
void forget_peak_resident_bytes();

}  // namespace ipirm::core
