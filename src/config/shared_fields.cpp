// Lists the data, augmentation, maximization and run settings that several programs have in common.
#include "config/shared_fields.h"

#include "ipirm/core/error.h"

namespace ipirm::config {
std::vector<std::string> precision_choices() { return {"fp32", "bf16"}; }

void add_data_fields(std::vector<Field>& fields, data::DataOptions& data,
                     data::LoaderOptions& loader) {
  const std::string group = "Data";
  append(fields,
         {
             {"dataset",
              group,
              "NAME",
              "STL, CIFAR10, CIFAR100, Folder, or the embedded ColoredDigits",
              &data.dataset,
              {},
              {"STL", "CIFAR10", "CIFAR100", "Folder", "ColoredDigits"}},
             {"data_root", group, "DIR", "folder that holds the data set's files", &data.root},
             {"image_size", group, "N", "Folder: cut images to their middle square of N; 0: whole",
              &data.image_size, between(0, 4096)},
             {"workers", group, "N", "threads that make views", &loader.workers, between(1, 1024)},
         });
}

Field check_data_field(bool& check_data) {
  return {.name = "check_data",
          .group = "Data",
          .label = "",
          .help = "only read every image, list all that are damaged, and exit with 2 if any is",
          .target = &check_data,
          .command_line_only = true};
}

void add_augment_fields(std::vector<Field>& fields, augment::AugmentOptions& augment) {
  const std::string group = "Augmentation";
  append(
      fields,
      {
          kind_field("augment", group, "all below, or none: scaled to [0,1] and normalised only",
                     &augment.recipe),
          {"crop_size", group, "N", "side of a training view, pixels", &augment.crop_size,
           between(8, 1024)},
          {"crop_scale_min",
           group,
           "X",
           "smallest share of the area that a crop covers",
           &augment.crop_scale_min,
           {.low = 0, .high = 1, .low_open = true}},
          {"hflip", group, "P", "probability of a horizontal flip", &augment.hflip, between(0, 1)},
          {"jitter", group, "X", "colour jitter: factors 1 +- .4 X, hue +- .1 X", &augment.jitter,
           between(0, 2)},
          {"jitter_probability", group, "P", "probability of colour jitter",
           &augment.jitter_probability, between(0, 1)},
          {"grayscale", group, "P", "probability of losing all colour", &augment.grayscale,
           between(0, 1)},
          {"blur", group, "P", "probability of a 3x3 Gaussian blur", &augment.blur, between(0, 1)},
      });
}

void add_run_fields(std::vector<Field>& fields, std::string& device, std::string& log_level) {
  const std::string group = "Run";
  append(fields, {
                     {"device",
                      group,
                      "auto|cpu|cuda",
                      "where to compute; auto: CUDA where there is one",
                      &device,
                      {},
                      {"auto", "cpu", "cuda"}},
                     {"log_level",
                      group,
                      "LEVEL",
                      "least level shown: debug, info, warning, error or off",
                      &log_level,
                      {},
                      {"debug", "info", "warning", "error", "off"}},
                 });
}

Field env_num_field(const std::string& group, int64_t& num_env) {
  return {"env_num", group, "N", "environments of a partition", &num_env, between(2, 65536)};
}

Field irm_temp_field(const std::string& group, double& temperature) {
  return {"irm_temp", group, "X", "temperature of the IRM penalty", &temperature, above(0)};
}

void add_maximize_fields(std::vector<Field>& fields, const std::string& group,
                         partition::MaximizeOptions& maximize) {
  auto& risk = maximize.risk;
  append(
      fields,
      {
          kind_field("irm_mode", group, "penalty; v2: variance of the environments' losses",
                     &risk.irm_mode),
          {"irm_weight_maxim", group, "X", "weight of the penalty in the maximization",
           &risk.irm_weight, at_least(0)},
          {"constrain", group, "", "keep the environments' sizes alike", &risk.balance.constrain},
          {"constrain_relax", group, "", "with --constrain: only beyond about 2:1",
           &risk.balance.constrain_relax},
          {"nonorm", group, "", "do not divide the risk by the environments' sizes",
           &risk.balance.nonorm},
          {"maximize_batch", group, "N", "samples in a batch, at least 2; 0: the whole set",
           &maximize.batch_size, count_from(0)},
          {"maximize_passes", group, "N", "passes at most", &maximize.passes, between(1, 4096)},
          {"maximize_lr", group, "X", "learning rate of Adam over the logits", &maximize.lr,
           above(0)},
          {"maximize_milestones", group, "N,N", "passes after which that rate falls to a fifth",
           &maximize.milestones, count_from(0)},
      });
}

void check_maximize(const partition::MaximizeOptions& maximize) {
  if (maximize.batch_size == 1) {
    throw core::UserError(
        "--maximize_batch: found '1', expected 0 (the whole set) or at least 2, since a sample "
        "needs negatives");
  }
}

std::vector<std::string> maximize_without_effect(const partition::MaximizeOptions& maximize) {
  const auto& balance = maximize.risk.balance;
  if (!balance.constrain_relax || balance.constrain) return {};
  return {"--constrain_relax has no effect without --constrain: it is ignored"};
}

void check_name(const std::string& name) {
  if (name.find('/') == std::string::npos && name != "." && name != ".." && name.size() <= 200)
    return;
  throw core::UserError(core::cat("--name: found ", in_quotes(name),
                                  ", expected the name of one folder: no '/', not '.' ",
                                  "or '..', at most 200 characters"));
}

}  // namespace ipirm::config
