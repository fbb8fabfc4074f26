// The table of ipirm-partition's settings, and which of them contradict.
#include "ipirm/config/partition_config.h"

#include "config/command_line.h"
#include "config/field.h"
#include "config/group.h"
#include "config/shared_fields.h"
#include "ipirm/core/error.h"

namespace ipirm::config {
namespace {

constexpr Program kProgram = {
    "ipirm-partition",
    "Finds the partition of a data set that most violates invariance, from features of any model.\n"
    "\n"
    "The features are two .npy arrays (N, d), float32 or float64, in C or Fortran order; row i of\n"
    "the one and row i of the other are two views of sample i. They are used as given (inner\n"
    "product / temperature): normally each row has length 1. float64 features are computed in\n"
    "float64. The result is an .npy array (N, env_num) of logits in the features' type: a sample\n"
    "belongs to the environment that is the argmax of its row.",
    "Example:\n"
    "  python3 -c \"... np.save('z1.npy', z1.numpy()); np.save('z2.npy', z2.numpy())\"\n"
    "  ipirm-partition --view1 z1.npy --view2 z2.npy --out partition.npy --constrain \\\n"
    "      --constrain_relax --irm_weight_maxim .5\n"
    "  python3 -c \"... environment = np.load('partition.npy').argmax(1)\"",
};

void add_file_fields(std::vector<Field>& fields, PartitionConfig& c) {
  Group group(fields, "Features and results");
  group.text("view1", "FILE", &c.view1, ".npy file with the features of the first view (required)");
  group.text("view2", "FILE", &c.view2, ".npy file with those of the second view (required)");
  group.text("out", "FILE", &c.out,
             "the logits go to this .npy file, the passes to FILE.metrics.jsonl (required)");
  group.text("init", "FILE", &c.init,
             "first logits, .npy (N, env_num) float32 or float64; default: random by --seed");
  group.flag_of_call("overwrite", &c.overwrite, "replace the files that --out names");
}

void add_search_fields(std::vector<Field>& fields, PartitionConfig& c) {
  Group group(fields, "Environments (maximization)");
  group.number("temperature", &c.maximize.risk.temperature, above(0), "of the contrastive loss");
  add_irm_temp(group, c.maximize.risk.irm_temperature);
  add_env_num(group, c.maximize.num_env, /*least=*/2);
  add_maximize_fields(group, c.maximize);
  group.flag("no_shuffle", &c.no_shuffle, "take the samples in the files' order, in every pass");
  group.number("seed", &c.maximize.seed, at_least(0), "of every random draw");
}

std::vector<Field> fields_of(PartitionConfig& c) {
  std::vector<Field> fields;
  add_file_fields(fields, c);
  add_search_fields(fields, c);
  add_dist_timeout(fields, c.dist_timeout);
  add_run_fields(fields, c.device, c.deterministic, c.log_level);
  return fields;
}

void check(const PartitionConfig& c) {
  const auto require = [](const std::string& value, const char* message) {
    if (value.empty()) throw core::UserError(message);
  };
  require(c.view1, "--view1 is missing: name the .npy file with the features of the first view");
  require(c.view2, "--view2 is missing: name the .npy file with the features of the second view");
  require(c.out, "--out is missing: name the .npy file to write the partition to");
  check_maximize(c.maximize);
}

}  // namespace

std::optional<PartitionConfig> parse_partition(int argc, const char* const* argv) {
  PartitionConfig config;
  if (!read_command_line(kProgram, fields_of(config), argc, argv)) return std::nullopt;
  config.maximize.shuffle = !config.no_shuffle;
  check(config);
  config.warnings = maximize_without_effect(config.maximize);
  return config;
}

std::string to_yaml(const PartitionConfig& config) {
  PartitionConfig copy = config;  // fields point to values that can be written
  return dump_yaml(kProgram.name, fields_of(copy));
}

}  // namespace ipirm::config
