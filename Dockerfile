# One image, three parts: the head of a Ray cluster, its workers, and whoever submits a sweep.
#
#   docker build -t sweeper .                                   (GPUs: --build-arg TENSORFLOW=tensorflow[and-cuda])
#
# On one machine, with the project in the current directory and the tree on a volume:
#   docker run --rm --init --shm-size=2g -v "$PWD/sweeps:/work/sweeps:ro" -v tree:/work/experiments \
#       sweeper launch sweeps/digits.yaml -y
#   docker run --rm -v "$PWD/sweeps:/work/sweeps:ro" -v tree:/work/experiments \
#       sweeper best sweeps/digits.yaml
#
# On several machines: the same volumes (a shared disk) on each, the same token, and `ray start`:
#   token:      openssl rand -hex 32 > token      (then -v "$PWD/token:/run/token:ro" everywhere)
#   head:       docker run --init --network host --shm-size=2g -v … --entrypoint ray sweeper \
#                   start --head --block --port 6379 --include-dashboard false
#   worker:     docker run --init --network host --shm-size=2g -v … --entrypoint ray sweeper \
#                   start --block --address HEAD:6379
#   submitter:  docker run --init --network host --shm-size=2g -v … sweeper \
#                   launch sweeps/digits.yaml --address HEAD:6379 -y
# with -e RAY_AUTH_MODE=token -e RAY_AUTH_TOKEN_PATH=/run/token in each of the three. A cluster started
# without a token runs anybody's code: keep it on a private network.

FROM python:3.11-slim

ARG TENSORFLOW=tensorflow

ENV PYTHONUNBUFFERED=1 PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1

RUN useradd --create-home --uid 1000 sweeper && install -d -o sweeper -g sweeper /work /work/experiments

COPY pyproject.toml README.md LICENSE /opt/sweeper/
COPY sweeper /opt/sweeper/sweeper

RUN pip install /opt/sweeper "$TENSORFLOW"

USER sweeper
WORKDIR /work
VOLUME /work/experiments

ENTRYPOINT ["sweeper"]
CMD ["--help"]
