"""The errors that somebody who uses this package can meet, each with the message that they see.

    VisionModelsError
    ├── PhotoError                      a photo that cannot be used
    ├── VideoError                      a video that cannot be used
    ├── DataError                       a folder or file to train or evaluate on that cannot be used
    └── WeightsError                    weights that cannot be had, or not be trusted
        ├── RepositoryNameError         ... the Hub was asked for in a way that makes no sense
        ├── HubUnreachableError         ... or does not answer
        ├── HubLoginError, RepositoryGatedError, RepositoryMissingError, RevisionMissingError
        ├── WeightsNotCachedError, WeightsFileMissingError
        ├── WeightsTruncatedError, WeightsChecksumError, WeightsFormatError, WeightsCacheError
        └── PublishError                ... or does not take an upload

`except VisionModelsError` catches them all. The cause, where there is one (an error of huggingface_hub, Pillow or
safetensors), is kept as `__cause__`. A wrong argument, such as a strength of 2, raises Python's own ValueError.
"""


class VisionModelsError(Exception):
    """Base of all errors of this package; its text says what happened and what to do next."""


class PhotoError(VisionModelsError, ValueError):
    """A photo that cannot be read, or is too small or too large to be corrected.

    Example:
        This file is not an image that can be read. Please use a JPEG, PNG, WebP or HEIC photo.
    """


class VideoError(VisionModelsError, ValueError):
    """A video that cannot be read, has no pictures, is over a limit, or does not fit into the size asked for.

    Example:
        This video is damaged or incomplete. Please save or download it again, then try once more.
    """


class DataError(VisionModelsError, ValueError):
    """A folder or file to train or evaluate on that is not there, is empty, or is not laid out as it has to be.

    Example:
        There are no .hdr or .exr panoramas in scenes. Name a folder that holds some.
    """


class WeightsError(VisionModelsError):
    """Base of everything that can go wrong with a model's weights, one subclass per cause.

    A caller that holds a second source (such as the bundled copy) catches this one.
    """


class RepositoryNameError(WeightsError, ValueError):
    """A repository is named in a way that cannot be one on the Hub.

    Example:
        VISION_MODELS_REPO is "owner/name@v1". Write it as OWNER/NAME or OWNER/NAME@COMMIT, where
        COMMIT is the full 40-digit commit hash that `vision-models publish` prints.
    """


class HubUnreachableError(WeightsError):
    """The Hub did not answer, is in trouble, or something else answered in its place.

    Example:
        The Hub (https://huggingface.co) cannot be reached, so exposure-compact.safetensors of
        owner/name@main cannot be downloaded. Check the network connection and try again.
    """


class HubLoginError(WeightsError):
    """The Hub wants a login, or does not accept this one for what was asked.

    Example:
        The Hub refuses access to owner/name (401 Unauthorized). Log in with `hf auth login` or set
        HF_TOKEN to a token that may write to owner/name.
    """


class WeightsNotCachedError(WeightsError):
    """Downloads are switched off (offline mode, or `local_files_only=True`) and nothing is cached.

    Example:
        exposure-compact.safetensors of owner/name@main is not in the local cache, and downloads are
        switched off. Allow them once (local_files_only=False, HF_HUB_OFFLINE unset) to fill it.
    """


class RepositoryMissingError(WeightsError):
    """The repository does not exist, or is private and this user may not see it.

    Example:
        The Hub has no model repository owner/name that you may read. Check the name; if the
        repository is private, log in with `hf auth login` or set HF_TOKEN.
    """


class RepositoryGatedError(WeightsError):
    """The repository exists, but its owner has to grant access first.

    Example:
        Access to owner/name has to be granted by its owner. Ask for it on
        https://huggingface.co/owner/name, then log in with `hf auth login` or set HF_TOKEN.
    """


class RevisionMissingError(WeightsError):
    """The repository has no such commit, branch or tag.

    Example:
        owner/name has no revision 0123456789ab. Check it on
        https://huggingface.co/owner/name/commits/main, or leave it out to use main.
    """


class WeightsFileMissingError(WeightsError):
    """The file is not there: not in the repository, not at the given path, or not in the package.

    Example:
        owner/name@main holds no file exposure-compact.safetensors. Upload it with `vision-models publish
        owner/name`, or name another repository or revision.
    """


class WeightsTruncatedError(WeightsError):
    """The download ended early; nothing of the incomplete file is kept.

    Example:
        The download of exposure-compact.safetensors of owner/name@main ended early. Try again.
    """


class WeightsChecksumError(WeightsError):
    """The bytes are not the ones this version of the package was made for (sha256 differs).

    Example:
        exposure-compact.safetensors of owner/name@main is damaged, or belongs to another version of
        vision_models (sha256 0123456789ab..., expected ba9876543210...). Upload it again with
        `vision-models publish owner/name`, or name another revision.
    """


class WeightsFormatError(WeightsError):
    """A file that is not safetensors, or holds other tensors or another config than the model needs.

    Example:
        model.pth cannot be read as safetensors. Only safetensors files are loaded, since a pickle
        can run foreign code: convert it, or use the weights that come with the package.
    """


class WeightsCacheError(WeightsError):
    """The download folder cannot be written: no permission, no space left, not a folder.

    Example:
        exposure-compact.safetensors of owner/name@main cannot be stored (No space left on device).
        Make room or allow writing in ~/.cache/huggingface/hub, or choose another folder with
        cache_dir or HF_HOME.
    """


class PublishError(WeightsError):
    """The Hub refused an upload for a reason of its own, which the message repeats.

    Example:
        The Hub did not accept the upload to owner/name: Invalid metadata in README.md. Correct this
        and publish again.
    """
