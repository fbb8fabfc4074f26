// The table of ipirm-inspect's settings.
#include "ipirm/config/inspect_config.h"

#include <algorithm>
#include <filesystem>
#include <string_view>

#include "config/command_line.h"
#include "config/group.h"
#include "config/shared_fields.h"
#include "ipirm/core/error.h"

namespace ipirm::config {
namespace {

constexpr Program kProgram = {
    "ipirm-inspect",
    "Shows what a run did: ipirm-inspect RUN [--against RUN2 ...]\n"
    "\n"
    "Reads the folder of a run, its data and its newest model, and writes RUN/inspect/: contact\n"
    "sheets of each partition's environments, how they meet class and factors, neighbours and a "
    "map\n"
    "of test images, confusions, all as PNG and JSON, and report.html, one page that shows them "
    "and\n"
    "can be sent as it is. What stood there before is replaced.",
    "Example:\n"
    "  ipirm-inspect results/ColoredDigits/quickstart-search --against \\\n"
    "      results/ColoredDigits/quickstart-baseline results/ColoredDigits/quickstart-random",
};

std::vector<Field> fields_of(InspectConfig& c) {
  std::vector<Field> fields;
  Group runs(fields, "Runs and results");
  runs.text("run", "DIR", &c.run, "folder of the run (required; may stand first, without --run)");
  runs.text("against", "DIR,DIR", &c.against_text,
            "folders of runs to show beside it; spaces part them as well as commas");
  runs.number("epoch", &c.epoch, between(0, kCountMax),
              "the model_N.pt whose features are shown; default: the newest");
  runs.text("data_root", "DIR", &c.data_root,
            "folder that holds the data set's files (default: as the run's settings say)");
  runs.text("downstream_root", "DIR", &c.downstream_root,
            "linear evaluations are looked for in DIR/DATASET/NAME");
  runs.text("out", "DIR", &c.out, "the folder to write (default: inspect in the run's)");
  Group shown(fields, "What is shown");
  shown.number("sheet_images", &c.sheet_images, between(2, 400), "of an environment, on its sheet");
  shown.number("queries", &c.queries, between(1, 100), "test images whose neighbours are shown");
  shown.number("neighbours", &c.neighbours, between(1, 50), "of each of them");
  shown.number("images", &c.images, between(2, kCountMax),
               "of the test images whose features are shown, at most; of more, so many at equal "
               "distances; default: 4 million pixels, 434 images of 96x96, 3,906 of 32x32");
  shown.number("bank", &c.bank, between(2, kCountMax),
               "of the labelled images that vote in the kNN and are neighbours, likewise");
  Group network(fields, "Network");
  network.number("batch_size", &c.batch_size, count_from(1), "images in a forward pass");
  network.kind("precision", &c.precision, "of the network's arithmetic; default: as the run's");
  network.number("workers", &c.loader.workers, between(1, 1024), "threads that make views");
  add_run_fields(fields, c.device, c.deterministic, c.log_level);
  return fields;
}

// RUN as --run RUN, and all folders behind one or several --against as one --against A,B.
std::vector<std::string> with_flags(int argc, const char* const* argv) {
  constexpr std::string_view kAgainst = "--against", kAgainstIs = "--against=";
  std::vector<std::string> words(argv, argv + std::min(argc, 1));
  std::string folders;
  const auto is_folder = [&](int i) { return i < argc && argv[i][0] != '-'; };
  const auto add = [&](std::string_view folder) {
    folders += (folders.empty() ? "" : ",") + std::string(folder);
  };
  int i = 1;
  if (is_folder(i)) {
    words.emplace_back("--run");
    words.emplace_back(argv[i++]);
  }
  while (i < argc) {
    const std::string_view word = argv[i++];
    if (word.starts_with(kAgainstIs) && word.size() > kAgainstIs.size()) {
      add(word.substr(kAgainstIs.size()));
    } else if (word == kAgainst && is_folder(i)) {
      while (is_folder(i)) add(argv[i++]);
    } else {
      words.emplace_back(word);
    }
  }
  if (!folders.empty()) words.push_back(std::string(kAgainstIs) + folders);
  return words;
}

std::vector<std::string> parts_of(std::string_view text) {
  std::vector<std::string> parts;
  while (!text.empty()) {
    const size_t comma = std::min(text.find(','), text.size());
    if (comma > 0) parts.emplace_back(text.substr(0, comma));
    text.remove_prefix(std::min(comma + 1, text.size()));
  }
  return parts;
}

}  // namespace

std::optional<InspectConfig> parse_inspect(int argc, const char* const* argv) {
  InspectConfig config;
  const auto words = with_flags(argc, argv);
  std::vector<const char*> pointers;
  for (const auto& word : words) pointers.push_back(word.c_str());
  if (!read_command_line(kProgram, fields_of(config), static_cast<int>(pointers.size()),
                         pointers.data()))
    return std::nullopt;
  if (config.run.empty())
    throw core::UserError("RUN is missing: name the folder of a run, results/DATASET/NAME");
  config.against = parts_of(config.against_text);
  if (config.out.empty()) config.out = (std::filesystem::path(config.run) / "inspect").string();
  return config;
}

}  // namespace ipirm::config
