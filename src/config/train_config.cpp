// The table of ipirm-train's settings, what they imply and which of them contradict.
#include "ipirm/config/train_config.h"

#include "config/command_line.h"
#include "config/field.h"
#include "config/group.h"
#include "config/shared_fields.h"
#include "ipirm/core/error.h"

namespace ipirm::config {
namespace {

constexpr Program kProgram = {
    "ipirm-train",
    "Trains a network without labels by IP-IRM, or by plain contrastive learning with --baseline.",
    "Examples:\n"
    "  ipirm-train --config configs/quickstart.yaml\n"
    "  ipirm-train --config configs/stl.yaml --data_root /data --precision bf16 --name stl_400\n\n"
    "Of each image of --dataset Folder only the middle square is kept; --image_size 0 keeps images "
    "whole.",
};

void add_model_fields(std::vector<Field>& fields, TrainConfig& c) {
  Group group(fields, "Model");
  group.kind("arch", &c.model.arch, "the encoder");
  group.number("width", &c.model.width, between(16, 1024),
               "channels of the first stage, a multiple of 8");
  group.number("feature_dim", &c.model.feature_dim, between(1, 65536), "width of the projection");
  group.text("pretrain_model", "FILE", &c.pretrain_model,
             "start from the weights of this .pt file");
}

void add_training_fields(std::vector<Field>& fields, TrainConfig& c) {
  Group group(fields, "Training");
  group.number("epochs", &c.train.epochs, count_from(1), "passes over the training set");
  group.number("batch_size", &c.train.batch_size, count_from(2),
               "samples in a step, of all processes together");
  group.number("lr", &c.train.lr, above(0), "learning rate of Adam");
  group.number("weight_decay", &c.train.weight_decay, at_least(0), "L2 penalty of Adam");
  group.kind("precision", &c.precision, "of the network's arithmetic");
  group.number("seed", &c.train.seed, at_least(0), "of every random draw");
  group.flag("no_shuffle", &c.no_shuffle,
             "take the samples in the set's order, in training and maximization");
  group.number("max_steps", &c.train.max_steps, count_from(0),
               "stop after this many steps; 0: never");
}

void add_loss_fields(std::vector<Field>& fields, TrainConfig& c) {
  constexpr Range kPrior = {.low = 0, .high = 1, .high_open = true};
  Group group(fields, "Loss (minimization)");
  group.number("temperature", &c.loss.temperature, above(0),
               "of the contrastive loss and the kNN vote");
  add_irm_temp(group, c.loss.irm_temperature);
  group.kind("penalty", &c.loss.penalty, "IRM penalty, or variance of the environments' losses");
  group.number("penalty_weight", &c.train.penalty_weight, at_least(0), "weight of the penalty");
  group.number("penalty_iters", &c.train.penalty_iters, count_from(0),
               "epoch from which the penalty counts");
  group.flag("increasing_weight", &c.train.increasing_weight,
             "grow the penalty's weight linearly over the epochs");
  group.flag("keep_cont", &c.loss.keep_cont, "add the contrastive loss of the whole batch");
  group.flag("retain_group", &c.train.retain_group,
             "all partitions found so far count, not the newest alone");
  group.flag("baseline", &c.loss.baseline,
             "contrastive loss alone: no environments, no maximization");
  group.flag("debiased", &c.loss.debiased, "with --baseline: its debiased form");
  group.number("tau_plus", &c.loss.tau_plus, kPrior,
               "with --debiased: prior of the positive class");
}

void add_mixup_fields(std::vector<Field>& fields, TrainConfig& c) {
  auto& mixup = c.loss.mixup;
  Group group(fields, "MixUp");
  group.flag("mixup", &mixup.on, "mix each first view with that of another image");
  group.number("alpha", &mixup.alpha, above(0), "shares are drawn from Beta(X, X)");
  group.kind("ours_mixup_mode", &mixup.mode,
             "how environments are mixed: each one anew, among themselves");
  group.flag("mixup_max", &c.maximize.mixup,
             "mix in the maximization too, which changes the defaults of --maximize_*");
  group.number("retain_group_set", &c.train.retain_group_set, count_from(0),
               "with --retain_group: only the newest N partitions count; 0: all");
}

void add_partition_source(Group& group, partition::SourceOptions& source) {
  group.words("partition_source", &source, partition::parse_source, partition::source_text,
              partition::source_forms(),
              "where partitions come from: the search, chance, or a known factor");
}

void add_maximization_fields(std::vector<Field>& fields, TrainConfig& c) {
  Group group(fields, "Environments (maximization)");
  add_env_num(group, c.loss.num_env, /*least=*/1);
  add_partition_source(group, c.source);
  group.number("maximize_iter", &c.train.maximize_iter, count_from(1),
               "epochs between maximizations");
  group.text("partition", "FILE", &c.partition,
             "start from this .npy partition: no maximization before epoch 1");
  group.flag("partition_any_data", &c.partition_any_data,
             "take that partition even where it was made for other data");
  group.flag("offline", &c.maximize.offline, "embed the set once a maximization, not once a pass");
  group.flag("random_init", &c.maximize.random_init, "start each maximization from random logits");
  add_maximize_fields(group, c.maximize);
}

void add_process_fields(std::vector<Field>& fields, TrainConfig& c) {
  Group group(fields, "Several processes (torchrun, srun, mpirun)");
  group.flag("sync_bn", &c.sync_bn,
             "BatchNorm's statistics over the whole batch, not each process's share");
  add_dist_timeout(fields, c.dist_timeout);
}

void add_result_fields(std::vector<Field>& fields, TrainConfig& c) {
  Group group(fields, "Evaluation and results");
  group.number("k", &c.knn.k, count_from(1), "neighbours that vote in the kNN evaluation");
  group.kind("eval", &c.evaluation,
             "what is evaluated: the kNN, or with it the metrics of known factors");
  group.number("eval_every", &c.train.eval_every, count_from(1), "epochs between evaluations");
  group.kind("metrics_feature", &c.metrics_feature,
             "with --eval metrics: what is scored; a wide h takes minutes");
  group.number("save_every", &c.train.save_every, count_from(1), "epochs between checkpoints");
  group.number("save_minutes", &c.train.save_minutes, at_least(0),
               "minutes between saved states within an epoch or a search; 0: none");
  group.number("log_every", &c.train.log_every, count_from(1), "steps between lines of log.txt");
  group.flag("tensorboard", &c.tensorboard,
             "write curves, settings and sheets of the partitions for TensorBoard, too");
  group.text("name", "NAME", &c.name,
             "folder of the run (default: ipirm, or baseline with --baseline)");
  group.text("results_root", "DIR", &c.results_root, "results go to DIR/DATASET/NAME");
  group.flag_of_call("overwrite", &c.overwrite, "replace the run that the folder holds");
  group.flag_of_call("resume", &c.resume, "go on with the run that the folder holds");
}

void add_call_fields(std::vector<Field>& fields, TrainConfig& c) {
  add_quiet(fields, c.quiet);
  Group group(fields, "Run");
  group.flag_of_call("dry_run", &c.dry_run,
                     "only say what the run would take, need and write, from a few steps");
}

// The reference's command lines may hold these; no code reads them there, and none here.
void add_ignored_fields(std::vector<Field>& fields, TrainConfig& c) {
  const char* help = "accepted, since the reference has it; no effect there either";
  Group group(fields, "Ignored");
  group.text("ours_mode", "X", &c.ignored.ours_mode, help).ignored = true;
  group.flag("debug", &c.ignored.debug, help).ignored = true;
  group.flag("groupnorm", &c.ignored.groupnorm, help).ignored = true;
}

std::vector<Field> fields_of(TrainConfig& c) {
  std::vector<Field> fields;
  add_data_fields(fields, c.data, c.loader);
  add_check_data(fields, c.check_data);
  add_augment_fields(fields, c.augment);
  add_model_fields(fields, c);
  add_training_fields(fields, c);
  add_loss_fields(fields, c);
  add_mixup_fields(fields, c);
  add_maximization_fields(fields, c);
  add_result_fields(fields, c);
  add_run_fields(fields, c.device, c.deterministic, c.log_level);
  add_call_fields(fields, c);
  add_process_fields(fields, c);
  add_ignored_fields(fields, c);
  return fields;
}

// The search's defaults where MixUp has its own (METHOD 6), from a first reading of the settings.
partition::MaximizeOptions mixup_defaults(const TrainConfig& given) {
  partition::MaximizeOptions search;
  const bool mixed = given.maximize.mixup, offline = given.maximize.offline;
  if (!given.loss.mixup.on) return search;
  if (offline ? mixed : given.data.dataset != data::DataSetKind::kCifar10) search.batch_size = 2048;
  if (mixed && !offline) {
    search.passes = 31;
    search.stop_after = 25;
    search.lr = 0.1;
    search.milestones = {5, 25};
  }
  return search;
}

// Copies what is named once to every room that uses it.
void spread(TrainConfig& c) {
  c.maximize.alpha = c.loss.mixup.alpha;
  c.maximize.risk.temperature = c.loss.temperature;
  c.knn.temperature = c.loss.temperature;
  c.maximize.risk.irm_temperature = c.loss.irm_temperature;
  c.maximize.num_env = c.loss.num_env;
  c.maximize.seed = c.train.seed;
  c.train.shuffle = !c.no_shuffle;
  c.maximize.shuffle = !c.no_shuffle;
  c.train.bf16 = c.precision == model::Precision::kBf16;
  if (c.name.empty()) c.name = c.loss.baseline ? "baseline" : "ipirm";
}

// Settings that the reference takes and does nothing with: its published command lines must run.
std::vector<std::string> without_effect(const TrainConfig& c) {
  auto warnings = maximize_without_effect(c.maximize);
  const auto warn_if = [&](bool unused, const char* flag, const char* reason) {
    if (unused) warnings.push_back(core::cat(flag, " ", reason, ": it is ignored"));
  };
  const char* nowhere = "has no effect, as in the reference";
  warn_if(!c.ignored.ours_mode.empty(), "--ours_mode", nowhere);
  warn_if(c.ignored.debug, "--debug", nowhere);
  warn_if(c.ignored.groupnorm, "--groupnorm", nowhere);
  warn_if(c.loss.debiased && !c.loss.baseline, "--debiased", "has no effect without --baseline");
  warn_if(c.loss.debiased && c.loss.baseline && c.loss.mixup.on, "--debiased",
          "has no effect with --mixup, whose loss has no debiased form");
  warn_if(c.train.retain_group_set > 0 && c.loss.mixup.on && !c.train.retain_group,
          "--retain_group_set", "has no effect without --retain_group");
  return warnings;
}

// Settings that are right alone and wrong together.
void check(const TrainConfig& c) {
  const auto refuse_if = [](bool wrong, const std::string& message) {
    if (wrong) throw core::UserError(message);
  };
  check_maximize(c.maximize);
  const bool search = c.source.kind == partition::SourceKind::kSearch;
  refuse_if(c.loss.num_env < 2 && search && !c.loss.baseline,
            "--env_num: found '1', expected at least 2, since a search divides the set; the whole "
            "set as one environment needs --partition_source random");
  refuse_if(c.quiet && c.dry_run, "--dry_run only says something: remove --quiet");
  refuse_if(c.loss.baseline && !search,
            "--baseline uses no partition, but --partition_source asks for some: remove one of the "
            "two");
  const auto& mixup = c.loss.mixup;
  refuse_if(c.maximize.mixup && !mixup.on,
            "--mixup_max mixes the views of the maximization as --mixup does those of the "
            "minimization, which is not given: add --mixup or remove --mixup_max");
  refuse_if(mixup.alpha != loss::MixupOptions().alpha && !mixup.on,
            "--alpha shapes the shares of MixUp: add --mixup or remove --alpha");
  refuse_if(c.train.retain_group_set > 0 && !mixup.on,
            "--retain_group_set belongs to the MixUp form of the method: add --mixup or remove it");
  refuse_if(c.maximize.mixup && c.maximize.risk.irm_mode == partition::IrmMode::kVariance &&
                !c.loss.baseline,
            "--irm_mode v2 (variance of the environments' losses) is defined for unmixed views "
            "alone: use --irm_mode v1 or remove --mixup_max");
  refuse_if(c.loss.baseline && !c.partition.empty(),
            "--baseline uses no partition, but --partition names one: remove one of the two");
  refuse_if(c.partition_any_data && c.partition.empty(),
            "--partition_any_data is about the file that --partition names, which is not given: "
            "add --partition or remove it");
  refuse_if(!c.loss.baseline && c.train.epochs > partition::kMaxMaximization,
            core::cat("--epochs: found '", c.train.epochs, "', expected a whole number from 1 to ",
                      partition::kMaxMaximization,
                      ", since the views of a maximization are drawn by the number of its epoch; "
                      "more are possible with --baseline"));
  refuse_if(c.overwrite && c.resume,
            "--overwrite and --resume contradict each other: give one of the two");
  refuse_if(
      c.dry_run && c.resume,
      "--dry_run tries a run from its start, but --resume goes on with one: remove one of the "
      "two");
  refuse_if(c.data.root.empty(), "--data_root is empty: name a folder, '.' for the current one");
  refuse_if(c.results_root.empty(),
            "--results_root is empty: name a folder, '.' for the current one");
  refuse_if(!model::is_width(c.model.width), core::cat("--width: expected ", model::kWidths));
  check_name(c.name);
}

}  // namespace

std::optional<TrainConfig> parse_train(int argc, const char* const* argv) {
  TrainConfig config;
  if (!read_command_line(kProgram, fields_of(config), argc, argv)) return std::nullopt;
  const auto search = mixup_defaults(config);
  config = TrainConfig();  // read again, over these defaults: what was given wins over them
  config.maximize = search;
  read_command_line(kProgram, fields_of(config), argc, argv);
  spread(config);
  check(config);
  config.warnings = without_effect(config);
  return config;
}

std::string to_yaml(const TrainConfig& config) {
  TrainConfig copy = config;  // fields point to values that can be written
  return dump_yaml(kProgram.name, fields_of(copy));
}

}  // namespace ipirm::config
