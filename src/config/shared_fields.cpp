// Lists the data, augmentation, maximization and run settings that several programs have in common.
#include "config/shared_fields.h"

#include "ipirm/core/error.h"

namespace ipirm::config {

void add_data_fields(std::vector<Field>& fields, data::DataOptions& data,
                     data::LoaderOptions& loader) {
  Group group(fields, "Data");
  group.kind("dataset", &data.dataset,
             "STL|CIFAR10|CIFAR100|Folder|ColoredDigits|MNIST|FashionMNIST|Shapes", "NAME");
  group.text("data_root", "DIR", &data.root, "folder that holds the data set's files");
  group.number("image_size", &data.image_size, between(0, 4096),
               "Folder: cut images to their middle square of N; 0: whole");
  group.text("factors_csv", "FILE", &data.factors_csv,
             "Folder: a table of further factors, heading path,NAME,..., a row an image");
  group.number("colours", &data.colours, between(0, 100),
               "MNIST, FashionMNIST: N colours, one an image; 2: red, green");
  group.number("colour_noise", &data.colour_noise, between(0, 255),
               "with colours: largest value of the noise under them");
  group.flag("colour_correlation", &data.colour_correlation,
             "MNIST, FashionMNIST: two classes and two colours that go together (IRM's form)");
  group.number("pad", &data.pad, between(0, 18),
               "MNIST, FashionMNIST: black pixels put on each side of an image");
  group.number("shapes_train", &data.shapes_train, between(1, 479999),
               "Shapes: images to train on, of 480,000 in all");
  group.number("shapes_test", &data.shapes_test, between(1, 479999),
               "Shapes: images to test on, none of those");
  group.number("workers", &loader.workers, between(1, 1024), "threads that make views");
}

void add_check_data(std::vector<Field>& fields, bool& check_data) {
  Group(fields, "Data")
      .flag_of_call("check_data", &check_data,
                    "only read every image, list all that are damaged, and exit with 2 if any is");
}

void add_augment_fields(std::vector<Field>& fields, augment::AugmentOptions& augment) {
  constexpr Range kShareOfArea = {.low = 0, .high = 1, .low_open = true};
  Group group(fields, "Augmentation");
  group.kind("augment", &augment.recipe, "all below, or none: scaled to [0,1] and normalised only");
  group.number("crop_size", &augment.crop_size, between(8, 1024),
               "side of a training view, pixels");
  group.number("crop_scale_min", &augment.crop_scale_min, kShareOfArea,
               "smallest share of the area that a crop covers");
  group.probability("hflip", &augment.hflip, "probability of a horizontal flip");
  group.number("jitter", &augment.jitter, between(0, 2),
               "colour jitter: factors 1 +- .4 X, hue +- .1 X");
  group.probability("jitter_probability", &augment.jitter_probability,
                    "probability of colour jitter");
  group.probability("grayscale", &augment.grayscale, "probability of losing all colour");
  group.probability("blur", &augment.blur, "probability of a 3x3 Gaussian blur");
}

void add_run_fields(std::vector<Field>& fields, core::DeviceChoice& device, bool& deterministic,
                    core::LogLevel& log_level) {
  Group group(fields, "Run");
  group.words("device", &device, core::parse_device, core::device_text, core::device_forms(),
              "where to compute; auto: CUDA where there is one; cuda:N: GPU N, from 0");
  group.flag("deterministic", &deterministic,
             "a GPU gives the same bits again, more slowly; the CPU does so anyway");
  group.kind("log_level", &log_level, "least level shown: debug, info, warning, error or off",
             "LEVEL");
}

void add_quiet(std::vector<Field>& fields, bool& quiet) {
  Group(fields, "Run").flag_of_call("quiet", &quiet, "show warnings and errors alone");
}

void add_dist_timeout(std::vector<Field>& fields, double& minutes) {
  Group(fields, "Several processes (torchrun, srun, mpirun)")
      .number("dist_timeout", &minutes, above(0),
              "minutes after which a process that waits for another one ends");
}

void add_env_num(Group& group, int64_t& num_env, int64_t least) {
  group.number("env_num", &num_env, between(static_cast<double>(least), 65536),
               "environments of a partition");
}

void add_irm_temp(Group& group, double& temperature) {
  group.number("irm_temp", &temperature, above(0), "temperature of the IRM penalty");
}

void add_maximize_fields(Group& group, partition::MaximizeOptions& maximize) {
  auto& risk = maximize.risk;
  auto& balance = risk.balance;
  group.kind("irm_mode", &risk.irm_mode, "penalty; v2: variance of the environments' losses");
  group.number("irm_weight_maxim", &risk.irm_weight, at_least(0),
               "weight of the penalty in the maximization");
  group.flag("constrain", &balance.constrain, "keep the environments' sizes alike");
  group.flag("constrain_relax", &balance.constrain_relax,
             "with --constrain: only beyond about 2:1");
  group.flag("nonorm", &balance.nonorm, "do not divide the risk by the environments' sizes");
  group.number("maximize_batch", &maximize.batch_size, count_from(0),
               "samples in a batch, at least 2; 0: the whole set");
  group.number("maximize_passes", &maximize.passes, between(1, partition::kMaxPasses),
               "passes at most");
  group.number("maximize_lr", &maximize.lr, above(0), "learning rate of Adam over the logits");
  group.number("maximize_milestones", &maximize.milestones, count_from(0),
               "passes after which that rate falls to a fifth");
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
