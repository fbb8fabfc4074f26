// The table of ipirm-train's settings, what they imply and which of them contradict.
#include "ipirm/config/train_config.h"

#include "config/command_line.h"
#include "config/field.h"
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

void add_training_fields(std::vector<Field>& fields, TrainConfig& c) {
  const std::string group = "Training";
  append(fields,
         {
             {"epochs", group, "N", "passes over the training set", &c.train.epochs, count_from(1)},
             {"batch_size", group, "N", "samples in a step", &c.train.batch_size, count_from(2)},
             {"lr", group, "X", "learning rate of Adam", &c.train.lr, above(0)},
             {"weight_decay", group, "X", "L2 penalty of Adam", &c.train.weight_decay, at_least(0)},
             {"precision",
              group,
              "fp32|bf16",
              "of the network's arithmetic",
              &c.precision,
              {},
              precision_choices()},
             {"seed", group, "N", "of every random draw", &c.train.seed, at_least(0)},
             {"no_shuffle", group, "",
              "take the samples in the set's order, in training and maximization", &c.no_shuffle},
             {"max_steps", group, "N", "stop after this many steps; 0: never", &c.train.max_steps,
              count_from(0)},
         });
}

void add_model_fields(std::vector<Field>& fields, TrainConfig& c) {
  const std::string group = "Model";
  append(fields, {
                     kind_field("arch", group, "the encoder", &c.model.arch),
                     {"width", group, "N", "channels of the first stage, a multiple of 8",
                      &c.model.width, between(16, 1024)},
                     {"feature_dim", group, "N", "width of the projection", &c.model.feature_dim,
                      between(1, 65536)},
                     {"pretrain_model", group, "FILE", "start from the weights of this .pt file",
                      &c.pretrain_model},
                 });
}

void add_loss_fields(std::vector<Field>& fields, TrainConfig& c) {
  const std::string group = "Loss (minimization)";
  append(fields,
         {
             {"temperature", group, "X", "of the contrastive loss and the kNN vote",
              &c.loss.temperature, above(0)},
             irm_temp_field(group, c.loss.irm_temperature),
             kind_field("penalty", group, "IRM penalty, or variance of the environments' losses",
                        &c.loss.penalty),
             {"penalty_weight", group, "X", "weight of the penalty", &c.train.penalty_weight,
              at_least(0)},
             {"penalty_iters", group, "N", "epoch from which the penalty counts",
              &c.train.penalty_iters, count_from(0)},
             {"increasing_weight", group, "", "grow the penalty's weight linearly over the epochs",
              &c.train.increasing_weight},
             {"keep_cont", group, "", "add the contrastive loss of the whole batch",
              &c.loss.keep_cont},
             {"retain_group", group, "", "all partitions found so far count, not the newest alone",
              &c.train.retain_group},
             {"baseline", group, "", "contrastive loss alone: no environments, no maximization",
              &c.loss.baseline},
             {"debiased", group, "", "with --baseline: its debiased form", &c.loss.debiased},
             {"tau_plus",
              group,
              "X",
              "with --debiased: prior of the positive class",
              &c.loss.tau_plus,
              {.low = 0, .high = 1, .high_open = true}},
         });
}

void add_mixup_fields(std::vector<Field>& fields, TrainConfig& c) {
  const std::string group = "MixUp";
  auto& mixup = c.loss.mixup;
  append(fields,
         {
             {"mixup", group, "", "mix each first view with that of another image", &mixup.on},
             {"alpha", group, "X", "shares are drawn from Beta(X, X)", &mixup.alpha, above(0)},
             {"ours_mixup_mode",
              group,
              "full",
              "how environments are mixed: each one anew, among themselves",
              &mixup.mode,
              {},
              {"full"}},
             {"mixup_max", group, "",
              "mix in the maximization too, which changes the defaults of --maximize_*",
              &c.maximize.mixup},
             {"retain_group_set", group, "N",
              "with --retain_group: only the newest N partitions count; 0: all",
              &c.train.retain_group_set, count_from(0)},
         });
}

void add_maximization_fields(std::vector<Field>& fields, TrainConfig& c) {
  const std::string group = "Environments (maximization)";
  append(fields,
         {
             env_num_field(group, c.loss.num_env),
             {"maximize_iter", group, "N", "epochs between maximizations", &c.train.maximize_iter,
              count_from(1)},
             {"partition", group, "FILE",
              "start from this .npy partition: no maximization before epoch 1", &c.partition},
             {"partition_any_data", group, "",
              "take that partition even where it was made for other data", &c.partition_any_data},
             {"offline", group, "", "embed the set once a maximization, not once a pass",
              &c.maximize.offline},
             {"random_init", group, "", "start each maximization from random logits",
              &c.maximize.random_init},
         });
  add_maximize_fields(fields, group, c.maximize);
}

void add_result_fields(std::vector<Field>& fields, TrainConfig& c) {
  const std::string group = "Evaluation and results";
  append(
      fields,
      {
          {"k", group, "N", "neighbours that vote in the kNN evaluation", &c.knn.k, count_from(1)},
          {"eval_every", group, "N", "epochs between kNN evaluations", &c.train.eval_every,
           count_from(1)},
          {"save_every", group, "N", "epochs between checkpoints", &c.train.save_every,
           count_from(1)},
          {"save_minutes", group, "X",
           "minutes between saved states within an epoch or a search; 0: none",
           &c.train.save_minutes, at_least(0)},
          {"log_every", group, "N", "steps between lines of log.txt", &c.train.log_every,
           count_from(1)},
          {"name", group, "NAME", "folder of the run (default: ipirm, or baseline with --baseline)",
           &c.name},
          {"results_root", group, "DIR", "results go to DIR/DATASET/NAME", &c.results_root},
          {.name = "overwrite",
           .group = group,
           .label = "",
           .help = "replace the run that the folder holds",
           .target = &c.overwrite,
           .command_line_only = true},
          {.name = "resume",
           .group = group,
           .label = "",
           .help = "go on with the run that the folder holds",
           .target = &c.resume,
           .command_line_only = true},
      });
}

// The reference's command lines may hold these; no code reads them there, and none here.
void add_ignored_fields(std::vector<Field>& fields, TrainConfig& c) {
  const auto add = [&](const char* name, const char* label, const Target& target) {
    fields.push_back({.name = name,
                      .group = "Ignored",
                      .label = label,
                      .help = "accepted, since the reference has it; no effect there either",
                      .target = target,
                      .ignored = true});
  };
  add("ours_mode", "X", &c.ignored.ours_mode);
  add("debug", "", &c.ignored.debug);
  add("groupnorm", "", &c.ignored.groupnorm);
}

std::vector<Field> fields_of(TrainConfig& c) {
  std::vector<Field> fields;
  add_data_fields(fields, c.data, c.loader);
  fields.push_back(check_data_field(c.check_data));
  add_augment_fields(fields, c.augment);
  add_model_fields(fields, c);
  add_training_fields(fields, c);
  add_loss_fields(fields, c);
  add_mixup_fields(fields, c);
  add_maximization_fields(fields, c);
  add_result_fields(fields, c);
  add_run_fields(fields, c.device, c.log_level);
  add_ignored_fields(fields, c);
  return fields;
}

// The search's defaults where MixUp has its own (METHOD 6), from a first reading of the settings.
partition::MaximizeOptions mixup_defaults(const TrainConfig& first) {
  partition::MaximizeOptions search;
  const bool mixed = first.maximize.mixup, offline = first.maximize.offline;
  if (!first.loss.mixup.on) return search;
  if (offline ? mixed : first.data.dataset != "CIFAR10") search.batch_size = 2048;
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
  c.train.bf16 = c.precision == "bf16";
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
  refuse_if(c.overwrite && c.resume,
            "--overwrite and --resume contradict each other: give one of the two");
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
