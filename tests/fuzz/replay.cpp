// Runs every fuzz target over its corpus and over mutations of it, so that tests need no fuzzer.
//
// usage: fuzz_replay CORPUS [seconds a target, default 2]     or: fuzz_replay TARGET FILE
#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>

#include "fuzz/target.h"

namespace ipirm::fuzz {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;
using Content = std::vector<uint8_t>;

constexpr size_t kLongest = 1 << 16;  // bytes of a mutated input

Content read(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return Content(std::istreambuf_iterator<char>(file), {});
}

// The seeds, in the order of their names.
std::vector<Content> read_corpus(const fs::path& folder) {
  std::vector<fs::path> paths;
  for (const auto& entry : fs::directory_iterator(folder)) paths.push_back(entry.path());
  std::sort(paths.begin(), paths.end());
  std::vector<Content> seeds;
  for (const auto& path : paths) seeds.push_back(read(path));
  return seeds;
}

// Changes, removes, repeats or inserts a few bytes, or takes some of another seed.
void mutate(Content& content, const Content& other, std::mt19937& random) {
  const auto below = [&](size_t n) { return n == 0 ? 0 : random() % n; };
  for (size_t rounds = 1 + below(4); rounds > 0; --rounds) {
    const auto place = content.begin() + static_cast<ptrdiff_t>(below(content.size() + 1));
    const size_t left = static_cast<size_t>(content.end() - place);
    switch (random() % 6) {
      case 0:
        if (left > 0) *place = static_cast<uint8_t>(random());
        break;
      case 1:
        if (left > 0) *place ^= static_cast<uint8_t>(1 << random() % 8);
        break;
      case 2:
        content.erase(place, place + static_cast<ptrdiff_t>(below(std::min<size_t>(left, 8) + 1)));
        break;
      case 3: {
        const Content piece(place, place + static_cast<ptrdiff_t>(std::min(left, 1 + below(40))));
        content.insert(place, piece.begin(), piece.end());
        break;
      }
      case 4:
        content.insert(place, 1 + below(4),
                       random() % 2 == 0 ? 0xff : static_cast<uint8_t>(random()));
        break;
      default: {
        const size_t from = below(other.size()), size = std::min(other.size() - from, below(64));
        const auto start = other.begin() + static_cast<ptrdiff_t>(from);
        content.insert(place, start, start + static_cast<ptrdiff_t>(size));
      }
    }
  }
  if (content.size() > kLongest) content.resize(kLongest);
}

// The same inputs in the same order on every machine; how many there are is a matter of time.
void replay(const Target& target, const fs::path& corpus, double seconds) {
  const auto seeds = read_corpus(corpus / target.name);
  require(!seeds.empty(), "an empty corpus");
  for (const auto& seed : seeds) target.run(seed);
  std::mt19937 random(1);
  int64_t runs = static_cast<int64_t>(seeds.size());
  for (const auto start = Clock::now();
       Clock::now() - start < std::chrono::duration<double>(seconds); ++runs) {
    Content content = seeds[random() % seeds.size()];
    mutate(content, seeds[random() % seeds.size()], random);
    target.run(content);
  }
  std::printf("%-18s %lld inputs, no finding\n", target.name, static_cast<long long>(runs));
}

int main_of(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: fuzz_replay CORPUS [seconds]   or: fuzz_replay TARGET FILE\n");
    return 2;
  }
  for (const Target& target : targets()) {
    if (target.name != std::string(argv[1])) continue;
    target.run(read(argv[2]));
    return 0;
  }
  for (const Target& target : targets()) {
    std::fprintf(stderr, "%s\n", target.name);  // so that a crash has a name
    replay(target, argv[1], argc > 2 ? std::stod(argv[2]) : 2.0);
  }
  return 0;
}

}  // namespace
}  // namespace ipirm::fuzz

int main(int argc, char** argv) { return ipirm::fuzz::main_of(argc, argv); }
