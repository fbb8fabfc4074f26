// ipirm-partition: finds a partition of features that come from files.
#include "ipirm/app/partition_app.h"
#include "ipirm/app/program.h"

int main(int argc, char** argv) {
  return ipirm::app::run_program([&] {
    const auto config = ipirm::config::parse_partition(argc, argv);
    return config ? ipirm::app::run_partition(*config) : ipirm::app::kExitOk;
  });
}
