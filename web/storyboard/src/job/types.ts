/** Short names for what the operations of the page return and take. */
import type {
  CreateAssetMutation,
  ModelFieldsFragment,
  NewSceneInput,
  RegenerateSceneInput,
  SceneDetailsSubscription,
  ShownAssetFragment,
  ShownFailureFragment,
  ShownInputFragment,
  ShownJobFragment,
  ShownMediaFragment,
  ShownSceneFragment,
  ShownSettingsFragment,
  ShownTakeFragment,
  UpdateSceneInput,
} from '../operations'

export type Job = ShownJobFragment
export type Scene = ShownSceneFragment
export type Media = ShownMediaFragment
export type Failure = ShownFailureFragment
export type Take = ShownTakeFragment
export type Input = ShownInputFragment
export type Settings = ShownSettingsFragment
export type Asset = ShownAssetFragment
export type Details = SceneDetailsSubscription['sceneUpdated']
export type Model = ModelFieldsFragment
export type UploadTarget = NonNullable<CreateAssetMutation['createAsset']['upload']>

export type NewScene = NewSceneInput
export type SceneEdit = Omit<UpdateSceneInput, 'sceneId' | 'jobId'>
export type SceneOrder = Omit<RegenerateSceneInput, 'sceneId' | 'jobId'>
