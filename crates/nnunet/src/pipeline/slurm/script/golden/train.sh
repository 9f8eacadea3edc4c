#!/bin/bash
#SBATCH --job-name=nnunet-Dataset004_Hippocampus-train_3d_fullres
#SBATCH --nodes=1
#SBATCH --ntasks=1
#SBATCH --array=0-4%2
#SBATCH --partition=gpu
#SBATCH --account=lab
#SBATCH --qos=long
#SBATCH --time=2-00:00:00
#SBATCH --mem=64G
#SBATCH --cpus-per-task=8
#SBATCH --gres=gpu:a100:1
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --signal=B:TERM@120
#SBATCH --constraint=ib
#SBATCH --mail-type=FAIL

# Made by `nnunet run --slurm`. It can be run again at any time: what is done is not done twice.

export LD_LIBRARY_PATH='/opt/lib torch/lib:$ORIGIN'
export OMP_NUM_THREADS=8
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

attempt '/opt/nn unet/nnunet' --raw '/data/it'\''s raw' run Dataset004_Hippocampus --job train-3d_fullres-"$SLURM_ARRAY_TASK_ID" --epochs 100

job=${SLURM_ARRAY_JOB_ID}_$SLURM_ARRAY_TASK_ID
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
