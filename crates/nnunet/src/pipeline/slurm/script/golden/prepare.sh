#!/bin/bash
#SBATCH --job-name=nnunet-Dataset004_Hippocampus-prepare
#SBATCH --nodes=1
#SBATCH --ntasks=1
#SBATCH --partition=cpu,cpu-long
#SBATCH --account=lab
#SBATCH --time=4:00:00
#SBATCH --mem=16G
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --signal=B:TERM@300

# Made by `nnunet run --slurm`. It can be run again at any time: what is done is not done twice.

module load gcc/12
ulimit -c 0

worker=
signalled=no
stopping=no
# Slurm signals this script when the time is nearly over; the program then writes a checkpoint.
trap 'signalled=yes; stopping=yes; [ -z "$worker" ] || kill -TERM "$worker" 2>/dev/null' TERM

# Runs a command; `code` is how it ended.
attempt() {
    code=75
    [ "$stopping" = no ] || return
    signalled=no
    "$@" &
    worker=$!
    [ "$stopping" = no ] || kill -TERM "$worker"
    wait "$worker"
    code=$?
    # A signal ends the waiting, not the command.
    while [ "$signalled" = yes ]; do
        signalled=no
        wait "$worker"
        ended=$?
        [ "$ended" -eq 127 ] || code=$ended
    done
    worker=
}

attempt nnunet run Dataset004_Hippocampus --only plan
[ "$code" -ne 0 ] || attempt nnunet run Dataset004_Hippocampus --slurm a.toml

job=$SLURM_JOB_ID
case $code in
75 | 143)
    # To be gone on with. A job that was cancelled or is requeued already does not run any more.
    for pause in 5 20 60 0; do
        state=$(squeue --noheader --format=%T --jobs="$job") || state=
        [ "$state" = RUNNING ] && scontrol requeue "$job" && break
        [ -z "$state" ] || [ "$state" = RUNNING ] || break
        sleep "$pause"
    done
    ;;
esac
exit "$code"
