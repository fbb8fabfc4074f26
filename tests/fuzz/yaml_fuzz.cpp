// Fuzz target: the text of a configuration file, over fields of every type.
#include "config/group.h"
#include "config/yaml_file.h"
#include "fuzz/target.h"
#include "ipirm/model/options.h"
#include "ipirm/partition/options.h"

namespace ipirm::fuzz {
namespace {

struct Settings {
  bool flag = false;
  int count = 1;
  int64_t steps = 2;
  uint64_t seed = 3;
  double rate = .5;
  std::string name = "a";
  partition::IrmMode mode = partition::IrmMode::kPenalty;
  std::vector<int64_t> milestones = {5, 35};
  std::optional<int> width;
  std::optional<model::Arch> arch;
  bool overwrite = false;

  std::vector<config::Field> fields() {
    std::vector<config::Field> all;
    config::Group group(all, "a");
    group.flag("flag", &flag, "help");
    group.number("count", &count, config::between(1, 9), "help");
    group.number("steps", &steps, config::count_from(0), "help");
    group.number("seed", &seed, config::at_least(0), "help");
    group.number("rate", &rate, config::above(0), "help");
    group.text("name", "NAME", &name, "help");
    group.kind("mode", &mode, "help");
    group.number("milestones", &milestones, config::count_from(1), "help");
    group.number("width", &width, config::between(1, 1024), "help");
    group.kind("arch", &arch, "help");
    group.flag_of_call("overwrite", &overwrite, "help");
    return all;
  }
};

// What is read must come back from what is written.
void yaml(Input input) {
  const std::string text(input.begin(), input.end());
  Settings settings, again;
  const auto fields = settings.fields(), fields_again = again.fields();
  if (!reads_or_refuses([&] { config::apply_yaml(text, "fuzz.yaml", fields); })) return;
  const std::string dumped = config::dump_yaml("fuzz", fields);
  require(reads_or_refuses([&] { config::apply_yaml(dumped, "again.yaml", fields_again); }),
          "what was written cannot be read");
  for (size_t i = 0; i < fields.size(); ++i) {
    require(config::value_text(fields[i]) == config::value_text(fields_again[i]),
            "a value changed by writing and reading it");
  }
}

}  // namespace
}  // namespace ipirm::fuzz

IPIRM_FUZZ_TARGET(yaml, ipirm::fuzz::yaml)
