# Sourced by the scripts beside it: how many machines take part in this run.

hosts() {
  case ${COORDINATOR_ADDRESS:-} in
    127.0.0.1:* | localhost:*) echo 1 ;;
    ?*) echo "${NUM_PROCESSES:-1}" ;;
    *)
      if [ -n "${SLURM_NNODES:-}" ]; then
        echo "$SLURM_NNODES"
      else
        tpu_hosts
      fi
      ;;
  esac
}

# A worker of a pod finds the addresses of all, comma-separated, in its metadata.
tpu_hosts() {
  local key=worker-network-endpoints found
  found=$(curl --silent --fail --max-time 5 --retry 3 --header 'Metadata-Flavor: Google' \
    "http://metadata.google.internal/computeMetadata/v1/instance/attributes/$key") || found=
  found=${found//[^,]/}
  echo $((${#found} + 1))
}
