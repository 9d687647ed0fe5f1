"""NSD's file formats, written so that the same content always gives the same bytes."""

import gzip
import zlib

import numpy as np

from brainalign.demo.geometry import SIDES


def save(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def save_text(path, text):
    save(path, text.encode())


def save_nifti(path, values, voxel):
    """A volume (X, Y, Z[, n]) with NSD's header: the origin in the middle, sform 1, qform 0, no scaling."""
    import nibabel

    affine = np.diag([voxel, voxel, voxel, 1.0])
    affine[:3, 3] = [-(n - 1) / 2 * voxel for n in values.shape[:3]]
    image = nibabel.Nifti1Image(values, affine)
    image.set_sform(affine, 1)
    image.set_qform(None, 0)
    image.header["pixdim"][4] = 4 / 3
    save(path, gzip.compress(image.to_bytes(), 1, mtime=0))


def save_planes(path, shape, affine, planes):
    """A float32 volume (X, Y, Z, n) that is never whole in memory; planes : (X, Y) each, along Z and then n."""
    import nibabel

    header = nibabel.Nifti1Header()
    header.set_data_dtype("<f4")
    header.set_data_shape(shape)
    header.set_sform(affine, 1)
    header.set_zooms((*np.abs(np.diag(affine))[:3], 1))
    header["vox_offset"] = 352
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "wb") as file, gzip.GzipFile("", "wb", 1, file, mtime=0) as packed:
        packed.write(header.binaryblock + bytes(4))
        for plane in planes:
            packed.write(plane.astype("<f4").tobytes("F"))


def save_mgh(path, values):
    """Surface data (n_vertices,) or (n_vertices, n) as (n_vertices, 1, 1[, n]); a name in .mgz is compressed."""
    import nibabel

    values = values.reshape(len(values), 1, 1, -1)
    content = nibabel.MGHImage(values[..., 0] if values.shape[-1] == 1 else values, np.eye(4)).to_bytes()
    save(path, gzip.compress(content, 1, mtime=0) if path.suffix == ".mgz" else content)


def save_mat(path, fields):
    """A MATLAB v5 file; scipy's header names the date, this one does not."""
    from scipy.io import savemat

    path.parent.mkdir(parents=True, exist_ok=True)
    savemat(path, fields, do_compression=True)
    with open(path, "r+b") as file:
        file.write(b"MATLAB 5.0 MAT-file, simulated by BrainAlign".ljust(116))


def save_betas(path, values, places, shape):
    """betas_sessionNN.hdf5: int16 (n_trials, Z, Y, X) in chunks of one voxel; chunks of zeros take no space.

    values : (n_trials, n_voxels) int16 at the C-order indices `places` of the volume (X, Y, Z).
    """
    import h5py

    x, y, z = np.unravel_index(places, shape)
    with h5py.File(path, "w") as file:
        data = file.create_dataset("betas", (len(values), *shape[::-1]), "<i2", chunks=(len(values), 1, 1, 1))
        for corner in np.lexsort((x, y, z)).tolist():
            content = np.ascontiguousarray(values[:, corner], "<i2").tobytes()
            data.id.write_direct_chunk((0, int(z[corner]), int(y[corner]), int(x[corner])), content)


def save_pictures(path, ids, shape, pack):
    """nsd_stimuli.hdf5: uint8 /imgBrick of `shape`, one compressed chunk a picture; only `ids` take space.

    pack(id) -> the picture's bytes as zlib compresses them. Yields after each picture.
    """
    from concurrent.futures import ThreadPoolExecutor

    import h5py

    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file, ThreadPoolExecutor(2) as pool:
        data = file.create_dataset("imgBrick", shape, "u1", chunks=(1, *shape[1:]), compression="gzip")
        for index, content in zip(ids, pool.map(pack, ids)):
            data.id.write_direct_chunk((index, 0, 0, 0), content)
            yield index


def compressed(picture):
    return zlib.compress(picture.tobytes(), 1)


def save_table(path, names):
    """A label table: one `<integer> <name>` per line from `0 Unknown`."""
    save_text(path, "".join(f"{number} {name}\n" for number, name in enumerate(("Unknown", *names))))


def save_sides(folder, name, values):
    """{side: array} as `{lh,rh}.<name>`."""
    for side in SIDES:
        save_mgh(folder / f"{side}.{name}", values[side])
