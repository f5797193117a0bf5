"""Writes the licences of the Python packages beside this interpreter, and of the libraries inside them, into a folder.

The build fails where a wheel brings a library whose licence is not named here.
"""

import re
import sys
from importlib import metadata
from pathlib import Path

# Of the shared libraries that wheels bring, by the beginning of the file's name; the first that fits counts. SPDX
# identifiers.
LIBRARIES = {
    "libaom": ("libaom", "BSD-2-Clause"),
    "libasound": ("ALSA library", "LGPL-2.1-or-later"),
    "libavif": ("libavif", "BSD-2-Clause"),
    "libav": ("FFmpeg, built with x264 and x265", "GPL-3.0-or-later"),
    "libbrotli": ("Brotli", "MIT"),
    "libdav1d": ("dav1d, decoder of AV1", "BSD-2-Clause"),
    "libdrm": ("libdrm", "MIT"),
    "libfreetype": ("FreeType", "FTL"),
    "libgmp": ("GMP", "LGPL-3.0-or-later OR GPL-2.0-or-later"),
    "libgnutls": ("GnuTLS", "LGPL-2.1-or-later"),
    "libharfbuzz": ("HarfBuzz", "MIT"),
    "libhogweed": ("Nettle", "LGPL-3.0-or-later OR GPL-2.0-or-later"),
    "libjpeg": ("libjpeg-turbo", "IJG AND BSD-3-Clause"),
    "liblcms2": ("Little CMS", "MIT"),
    "liblzma": ("XZ Utils", "0BSD"),
    "libmp3lame": ("LAME", "LGPL-2.0-or-later"),
    "libnettle": ("Nettle", "LGPL-3.0-or-later OR GPL-2.0-or-later"),
    "libopencore": ("OpenCORE AMR", "Apache-2.0"),
    "libopenjp2": ("OpenJPEG", "BSD-2-Clause"),
    "libopus": ("Opus", "BSD-3-Clause"),
    "libpng": ("libpng", "libpng-2.0"),
    "libsharpyuv": ("libwebp", "BSD-3-Clause"),
    "libSvtAv1Enc": ("SVT-AV1, encoder of AV1", "BSD-3-Clause-Clear"),
    "libsw": ("FFmpeg, built with x264 and x265", "GPL-3.0-or-later"),
    "libtiff": ("LibTIFF", "libtiff"),
    "libunistring": ("libunistring", "LGPL-3.0-or-later OR GPL-2.0-or-later"),
    "libva": ("libva", "MIT"),
    "libvmaf": ("VMAF", "BSD-2-Clause-Patent"),
    "libvpl": ("Intel VPL", "MIT"),
    "libvpx": ("libvpx, encoder of VP9", "BSD-3-Clause"),
    "libwebp": ("libwebp", "BSD-3-Clause"),
    "libx264": ("x264, encoder of H.264", "GPL-2.0-or-later"),
    "libx265": ("x265, encoder of HEVC", "GPL-2.0-or-later"),
    "libXau": ("libXau", "MIT"),
    "libxcb": ("libxcb", "MIT"),
    "libzstd": ("Zstandard", "BSD-3-Clause"),
    "libz": ("zlib", "Zlib"),
}
_TEXT = re.compile(r"(^|/)(LICEN[CS]E|COPYING|NOTICE|AUTHORS)[^/]*$|\.dist-info/(licenses|license_files)/[^/]", re.I)
INTRODUCTION = """\
Scenewire itself is under the MIT licence: scenewire.txt.
python-packages.txt   the Python packages, with the texts of their licences
web-packages.md       the packages inside the pages
/usr/share/doc/*/copyright and /usr/share/common-licenses   Debian's packages, fonts included, and common texts

The wheel of PyAV holds FFmpeg, which is used to read and write videos and runs in processes of its own. That build of
FFmpeg is linked with x264 and x265 (GPL-2.0-or-later), so that it is under GPL-3.0-or-later as a whole. Who passes this
image on does so under the terms of the GPL. The sources are those of the projects, in the versions that the file names
tell; PyAV publishes how it builds them. SCENEWIRE_VIDEO_CODEC=vp9 or av1 encodes without x264; the library stays here.

Libraries inside the wheels:
"""


def main(folder: Path) -> None:
    """Write the files. Raises SystemExit for a library without a known licence."""
    folder.mkdir(parents=True, exist_ok=True)
    packages = sorted(metadata.distributions(), key=lambda each: each.name.lower())
    files = [(package, file) for package in packages for file in package.files or () if ".libs/" in str(file)]
    if unknown := [str(file) for _, file in files if _library(file.name) is None]:
        sys.exit(f"deploy/image/notices.py: name the licences of {', '.join(unknown)}")
    libraries = {f"  {package.name}: {file.name}: {', '.join(_library(file.name) or ())}" for package, file in files}
    (folder / "README").write_text(INTRODUCTION + "\n".join(sorted(libraries)) + "\n")
    index = "\n".join(f"{each.name} {each.version}: {_licence(each)}" for each in packages)
    texts = "".join(_texts(each) for each in packages)
    (folder / "python-packages.txt").write_text(f"{index}\n{texts}")


def _library(file_name: str) -> tuple[str, str] | None:
    return next((about for start, about in LIBRARIES.items() if file_name.startswith(start)), None)


def _licence(package: metadata.Distribution) -> str:
    about = package.metadata
    if "License-Expression" in about:
        return about["License-Expression"]
    classifiers = [each for each in about.get_all("Classifier") or [] if each.startswith("License ::")]
    named = ", ".join(each.rpartition(" :: ")[2] for each in classifiers)
    return named or (about["License"].partition("\n")[0] if "License" in about else "see its text")


def _texts(package: metadata.Distribution) -> str:
    files = [file for file in package.files or () if ".dist-info/" in str(file) and _TEXT.search(str(file))]
    parts = [Path(str(package.locate_file(file))) for file in files]
    found = [part.read_text("utf-8", errors="replace") for part in parts if part.is_file()]
    rule = "=" * 80
    return "".join(f"\n{rule}\n{package.name} {package.version}\n{rule}\n{text}\n" for text in found)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
