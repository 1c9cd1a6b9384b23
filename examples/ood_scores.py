"""OOD scores on features of one's own: higher means more out-of-distribution."""

import torch

import vos

generator = torch.Generator().manual_seed(0)
labels = torch.arange(400) % 2
train = torch.randn(400, 8, generator=generator) + 2.0 * labels[:, None]
id_test = torch.randn(100, 8, generator=generator) + 2.0 * labels[:100, None]
ood_test = torch.randn(100, 8, generator=generator) + 3.0 * torch.tensor([1.0, -1.0]).repeat(4)
head = vos.LinearHead(torch.tensor([[-1.0], [1.0]]).repeat(1, 8), torch.tensor([8.0, -8.0]))
density = vos.ClassConditionalGaussian(n_classes=2, n_features=8).fit(train, labels)
scores = {
    "energy": lambda features: vos.energy(head.logits(features)),
    "mahalanobis": lambda features: vos.mahalanobis(density, features),
    "nearest neighbours": lambda features: vos.knn(features, train, 10),
}
for name, score in scores.items():
    pair = score(id_test), score(ood_test)
    print(f"{name}: AUROC {vos.auroc(*pair):.3f}, FPR at 95 % of ID {vos.fpr_at_tpr(*pair):.3f}, "
          f"at 95 % of OOD {vos.fpr_at_tpr_ood(*pair):.3f}")  # fmt: skip
