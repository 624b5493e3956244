# Weir as an image: docker build -t weir:0.1.0 .
# Runs as user 65532 and needs no writable root file system; what it writes is under /var/cache/weir, which should be a volume.
FROM debian:12-slim AS build
RUN apt-get update && apt-get install -y --no-install-recommends \
        gcc libc6-dev cmake ninja-build pkg-config \
        libgit2-dev libcurl4-openssl-dev libyaml-dev libcjson-dev libexpat1-dev libssl-dev libmicrohttpd-dev uthash-dev zlib1g-dev \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
RUN cmake --preset release -DWEIR_TESTS=OFF && cmake --build --preset release \
    && DESTDIR=/out cmake --install build/release --prefix /usr --strip

FROM debian:12-slim
RUN apt-get update && apt-get install -y --no-install-recommends \
        libgit2-1.5 libcurl4 libyaml-0-2 libcjson1 libexpat1 libssl3 libmicrohttpd12 ca-certificates openssh-client \
    && rm -rf /var/lib/apt/lists/* \
    # ssh refuses to run for a user without an entry in /etc/passwd.
    && groupadd --gid 65532 weir \
    && useradd --uid 65532 --gid 65532 --no-log-init --no-create-home --home-dir /var/cache/weir --shell /usr/sbin/nologin weir \
    && install -d -o 65532 -g 65532 -m 0750 /var/cache/weir
COPY --from=build /out/usr /usr
ENV HOME=/var/cache/weir
USER 65532:65532
EXPOSE 8080
ENTRYPOINT ["/usr/bin/weir"]
